"""What the folders of a data set's images say: the split and the class of each folder."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SplitName
from fer_tune.data.formats.class_and_split_names import (
    KNOWN_SPLITS,
    has_version_word,
    is_filler,
    is_number,
    match_emotion,
    match_split,
)

ADVICE = "put the images into one folder for each expression, such as train/happy/ or happy/"
_PERSON_CODE = re.compile(r"[^\W\d_]+[ _-]?\d+")  # AF01, S005, person_12
_PERSON_WORDS = ("male", "female", "man", "men", "woman", "women", "boys", "girls", "children")

_Folder = tuple[str, ...]  # the names of a folder and of those around it
_Splits = Mapping[_Folder, SplitName]


class UnclassedImagesError(UserError):
    """An error that says that images are in no folder of a class."""


class FolderMeaning(NamedTuple):
    """What a folder says about its images.

    label: name of the folder of the class.
    root: folders around that of the split, or around that of the class without a split.
    above: the folder of the split, and those between it and the class.
    below: folders inside that of the class.
    """

    split: SplitName | None
    label: str
    root: _Folder
    above: _Folder
    below: _Folder


def interpret_folders(
    paths: Iterable[PurePosixPath], source: str
) -> tuple[dict[_Folder, FolderMeaning], tuple[str, ...]]:
    """Return what each folder with images says, and notes on folders passed over.

    The innermost folder that spells an emotion is the class. A folder at the same place is a
    further class. If no folder spells an emotion, the class is the folder right below the split,
    else the innermost folder. Folders of neutral meaning, such as images, are never classes.

    Raises UserError for images outside class folders, for people or numbers as classes, and for
    several data sets.
    """
    examples: dict[_Folder, PurePosixPath] = {}
    for path in paths:
        examples.setdefault(path.parts[:-1], path)
    splits = _find_splits(examples)
    depths = _find_emotions(examples, splits) or _find_own_classes(examples, splits)
    for folder, path in examples.items():
        if folder not in depths:
            known = next(("/".join(own[: depth + 1]) for own, depth in depths.items()), "")
            others = f", unlike those in {known}/" if known else ""
            raise UnclassedImagesError(f"{source}: {path} is in no class folder{others}; {ADVICE}")
    meanings = {own: _interpret_folder(own, depth, splits) for own, depth in depths.items()}
    _check_classes([*meanings.values()], source)
    _check_data_sets(meanings, source)
    return meanings, tuple(_describe_passed_over([*meanings.values()]))


def _find_splits(folders: Iterable[_Folder]) -> dict[_Folder, SplitName]:
    """Return the folders that are splits.

    A name with an unknown word, such as train_afew, is a split if all names beside it are.
    """
    names_inside: defaultdict[_Folder, set[str]] = defaultdict(set)
    for folder in folders:
        for depth, name in enumerate(folder):
            names_inside[folder[:depth]].add(name)
    found: dict[_Folder, SplitName] = {}
    for around, names in names_inside.items():
        loose = {match_split(name, unknown_words=1) for name in names}
        unknown_words = int(None not in loose and len(loose) > 1)
        for name in names:
            if split := match_split(name, unknown_words):
                found[(*around, name)] = split
    return found


def _find_emotions(folders: Iterable[_Folder], splits: _Splits) -> dict[_Folder, int]:
    """Return the depth of the class: of the innermost emotion, or of a class beside emotions."""

    def locate(folder: _Folder, depth: int) -> _Folder:
        # The same place in another split is the same place.
        return tuple("" if folder[: i + 1] in splits else folder[i] for i in range(depth))

    depths = {
        folder: max(i for i, name in enumerate(folder) if match_emotion(name))
        for folder in folders
        if any(map(match_emotion, folder))
    }
    places = {locate(folder, depth) for folder, depth in depths.items()}
    inside = {name for folder, depth in depths.items() for name in folder[depth + 1 :]}
    for folder in folders:
        own = [] if folder in depths else _list_telling_depths(folder, splits)
        while len(own) > 1 and folder[own[-1]] in inside:
            own.pop()
        if own and locate(folder, own[-1]) in places:
            depths[folder] = own[-1]
    return depths


def _find_own_classes(folders: Iterable[_Folder], splits: _Splits) -> dict[_Folder, int]:
    """Return the depth of the class: the first below the split, or the innermost without one."""
    depths = {}
    for folder in folders:
        split = max((i for i in range(len(folder)) if folder[: i + 1] in splits), default=None)
        own = _list_telling_depths(folder, splits)
        if split is not None:
            own = [depth for depth in own if depth > split][:1]
        if own:
            depths[folder] = own[-1]
    return depths


def _list_telling_depths(folder: _Folder, splits: _Splits) -> list[int]:
    """Return the depths of the names that are neither splits nor of neutral meaning."""
    names = enumerate(folder)
    return [i for i, name in names if folder[: i + 1] not in splits and not is_filler(name)]


def _interpret_folder(folder: _Folder, depth: int, splits: _Splits) -> FolderMeaning:
    at = [i for i in range(len(folder)) if folder[: i + 1] in splits]
    around = [i for i in at if i < depth]
    split = splits[folder[: (around or at)[-1] + 1]] if at else None
    start = around[0] if around else depth
    above = folder[start:depth]
    return FolderMeaning(split, folder[depth], folder[:start], above, folder[depth + 1 :])


def _check_classes(meanings: Collection[FolderMeaning], source: str) -> None:
    """Raise UserError for folders that name no expressions: people, numbers or a single folder."""
    labels = sorted({meaning.label for meaning in meanings})
    if not any(map(match_emotion, labels)):
        if len(labels) == 1:
            raise UnclassedImagesError(f"{source}: all images are in {labels[0]}/; {ADVICE}")
        places = [(*meaning.root, *meaning.above, meaning.label) for meaning in meanings]
        names = set(_list_differing_names(places))
        people = [sorted(filter(_is_person_code, names.intersection(place))) for place in places]
        if all(people):
            raise UnclassedImagesError(
                f"{source}: {people[0][0]}/ and others look like people, not expressions; {ADVICE}"
            )
        _check_below(meanings, source)
    if numbers := list(filter(is_number, labels)):
        more = ", ..." if len(numbers) > 10 else ""
        example = ",".join(
            f"{n}={name}" for n, name in zip(numbers, ("happy", "sad"), strict=False)
        )
        raise UserError(
            f"{source}: folders are named by numbers ({', '.join(numbers[:10])}{more}), whose "
            f'meaning differs between data sets; name it, such as --labels "{example},..."'
        )


def _check_below(meanings: Iterable[FolderMeaning], source: str) -> None:
    """Raise UserError if folders inside the classes repeat, and so may be the classes."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for meaning in meanings:
        for name in meaning.below:
            labels[name].add(meaning.label)
    for name, own in labels.items():
        if len(own) > 1 and not is_filler(name) and not match_split(name):
            first, second = sorted(own)[:2]
            raise UserError(
                f"{source}: {first}/{name}/ and {second}/{name}/: which folder is the class? Put "
                "the images right into the folders of their classes"
            )


def _check_data_sets(meanings: Mapping[_Folder, FolderMeaning], source: str) -> None:
    """Raise UserError for several data sets, or several versions of one, side by side."""
    outside = sorted(_format_folder(own) for own, meaning in meanings.items() if not meaning.split)
    if 0 < len(outside) < len(meanings):
        raise UserError(
            f"{source}: {outside[0]} is in no split, but other folders are; move or rename it "
            f"(known names of splits: {KNOWN_SPLITS})"
        )
    roots = {meaning.root for meaning in meanings.values()}
    if not all(map(_is_people, names := _list_differing_names(roots))):
        hint = f"; if they are splits, rename them ({KNOWN_SPLITS})" if outside else ""
        raise UserError(
            f"{source} holds several data sets ({', '.join(map(_format_folder, sorted(roots)[:5]))}"
            f"); name one of them{'' if any(map(has_version_word, names)) else hint}"
        )
    groups: defaultdict[object, set[_Folder]] = defaultdict(set)
    for meaning in meanings.values():
        groups[meaning.root, meaning.split].add(meaning.above)
        place = (*meaning.above, meaning.label)
        groups[meaning.root, meaning.split, place].add((*place, *meaning.below))
    for folders in groups.values():
        names = _list_differing_names(folders)
        both = " and ".join(map(_format_folder, sorted(folders)[:2]))
        if splits := list(filter(None, (match_split(name, unknown_words=1) for name in names))):
            raise UserError(
                f"{source}: {both} are both the {splits[0]} split; rename one of them, or move it "
                "out of the data set"
            )
        if any(map(has_version_word, names)):
            raise UserError(
                f"{source}: {both} may hold the same faces; move one of them out of the data set"
            )


def _list_differing_names(folders: Collection[_Folder]) -> list[str]:
    """Return the names that are not equally often in all of the folders, sorted."""
    names = sorted({name for folder in folders for name in folder})
    return [name for name in names if len({folder.count(name) for folder in folders}) > 1]


def _format_folder(folder: _Folder) -> str:
    return "/".join((*folder, "")) or "./"


def _is_person_code(name: str) -> bool:
    is_code = _PERSON_CODE.fullmatch(name) is not None
    return is_code and not (is_filler(name) or is_number(name) or match_split(name, 1))


def _is_people(name: str) -> bool:
    return _is_person_code(name) or name.casefold() in _PERSON_WORDS


def _describe_passed_over(meanings: Collection[FolderMeaning]) -> Iterator[str]:
    """Yield notes on folders that are neither split nor class."""
    for place, names in (
        ("around the data", _list_differing_names([meaning.root for meaning in meanings])),
        ("between split and class", {name for own in meanings for name in own.above[1:]}),
        ("inside the classes", {name for own in meanings for name in own.below}),
    ):
        if passed := sorted(name for name in names if not match_split(name)):
            more = f" and {len(passed) - 5} more" if len(passed) > 5 else ""
            yield f"folders {place}, passed over: {', '.join(passed[:5])}{more}"
