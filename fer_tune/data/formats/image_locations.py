"""What the folders of a data set's images say: the split and the class of each folder."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data.faces import SplitName
from fer_tune.data.formats.class_and_split_names import (
    find_split,
    is_filler,
    match_emotion,
    match_split,
)
from fer_tune.data.read_options import normalize_label

ADVICE = (
    "put the images into one folder for each expression, such as train/happy/ or happy/ (labels in "
    "tables and in file names are not read)"
)

Folder = tuple[str, ...]  # the names of a folder and of those around it
_Splits = Mapping[Folder, SplitName]


class FolderMeaning(NamedTuple):
    """What a folder says about its images.

    label: name of the folder of the class.
    root: folders around that of the split, or around that of the class without a split.
    above: the folder of the split, and those between it and the class.
    below: folders inside that of the class.
    """

    split: SplitName | None
    label: str
    root: Folder
    above: Folder
    below: Folder


def parse_folders(
    paths: Iterable[PurePosixPath], source: str, class_names: Collection[str] = ()
) -> dict[Folder, FolderMeaning]:
    """Return what each folder with images says.

    The innermost folder that spells an emotion is the class. A folder at the same place is a
    further class. If no folder spells an emotion, the class is the folder right below the split,
    else the innermost folder. Folders of neutral meaning, such as images, are never classes.

    class_names: labels that `--labels` names. They count as emotions.

    Raises UserError for images outside class folders.
    """
    examples: dict[Folder, PurePosixPath] = {}
    for path in paths:
        examples.setdefault(path.parts[:-1], path)
    splits = _find_splits(examples)
    depths = _find_class_depths(examples, splits, class_names)
    for folder, path in examples.items():
        if folder not in depths:
            raise UserError(f"{source}: {path} is in no class folder; {ADVICE}")
    return {own: _parse_folder(own, depth, splits) for own, depth in depths.items()}


def describe_ignored_folders(meanings: Collection[FolderMeaning]) -> list[str]:
    """Return a note on folders that tell neither split nor class; none without such folders."""
    names = {name for own in meanings for name in (*own.above[1:], *own.below)}
    names.update(list_differing_names([own.root for own in meanings]))
    ignored = sorted(name for name in names if not match_split(name))
    return [f"folders that are neither split nor class: {join_first(ignored)}"] if ignored else []


def list_differing_names(folders: Collection[Folder]) -> list[str]:
    """Return the names that are not equally often in all of the folders, sorted."""
    counts = Counter(pair for folder in folders for pair in Counter(folder).items())
    return sorted({name for (name, _), count in counts.items() if count < len(folders)})


def _find_splits(folders: Iterable[Folder]) -> dict[Folder, SplitName]:
    """Return the folders that are splits.

    A name with unknown words, such as train_afew, is a split if all names beside it are.
    """
    names_inside: defaultdict[Folder, set[str]] = defaultdict(set)
    for folder in folders:
        for depth, name in enumerate(folder):
            names_inside[folder[:depth]].add(name)
    found: dict[Folder, SplitName] = {}
    for around, names in names_inside.items():
        loose = {find_split(name) for name in names}
        match = find_split if None not in loose and len(loose) > 1 else match_split
        for name in names:
            own = found.get(around) if name in around[-1:] else None  # asl_train/asl_train
            if split := match(name) or own:
                found[(*around, name)] = split
    return found


def _find_class_depths(
    folders: Iterable[Folder], splits: _Splits, class_names: Collection[str]
) -> dict[Folder, int]:
    """Return the depth of the folder of the class in each folder that has one."""

    def locate(folder: Folder, depth: int) -> Folder:
        # train/happy and test/happy are the same place.
        return tuple("" if folder[: i + 1] in splits else folder[i] for i in range(depth))

    depths: dict[Folder, int] = {}
    for folder in folders:
        for depth, name in enumerate(folder):
            if match_emotion(name) or normalize_label(name).casefold() in class_names:
                depths[folder] = depth  # the innermost
    places = {locate(folder, depth) for folder, depth in depths.items()}
    for folder in folders:
        ends = [i for i in range(len(folder)) if folder[: i + 1] in splits]
        own = [i for i, name in enumerate(folder) if i not in ends and not is_filler(name)]
        if places:  # a class beside emotions
            own = [i for i in own if locate(folder, i) in places]
        elif ends:
            own = [i for i in own if i > ends[-1]][:1]
        if own:
            depths.setdefault(folder, own[-1])
    return depths


def _parse_folder(folder: Folder, depth: int, splits: _Splits) -> FolderMeaning:
    at = [i for i in range(len(folder)) if folder[: i + 1] in splits]
    around = [i for i in at if i < depth]
    split = splits[folder[: (around or at)[-1] + 1]] if at else None
    start = around[0] if around else depth
    above, below = folder[start:depth], folder[depth + 1 :]
    return FolderMeaning(split, folder[depth], folder[:start], above, below)
