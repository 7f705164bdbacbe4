"""Refusals of image folders that name no expressions, or that are several data sets."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data.formats.class_and_split_names import (
    KNOWN_SPLITS,
    find_split,
    has_version_word,
    is_filler,
    is_number,
    match_emotion,
    match_split,
)
from fer_tune.data.formats.decoded_faces import CHOOSE
from fer_tune.data.formats.image_locations import (
    ADVICE,
    Folder,
    FolderMeaning,
    list_differing_names,
)
from fer_tune.data.formats.label_coding import suggest_labels

_PERSON_CODE = re.compile(r"[^\W\d_]+[ _-]?\d+")  # AF01, S005, person_12
_MAX_CODE = 11  # of an expression, in RAF-DB's compound ones; larger numbers count people or parts
_PERSON_WORDS = re.compile(
    "(fe)?males?|(wo)?m[ae]n|boys?|girls?|child(ren)?|kids?|adults?|young|old", re.IGNORECASE
)


def check_folders(
    meanings: Mapping[Folder, FolderMeaning], source: str, class_names: Collection[str] = ()
) -> None:
    """Raise UserError if people or numbers seem to be classes, or faces to be doubled or mixed.

    class_names: labels that `--labels` names, so that any label is a class.
    """
    if not class_names:
        _check_classes([*meanings.values()], source)
    _check_data_sets(meanings, source)
    _check_versions(meanings.values(), source)


def _check_classes(meanings: Collection[FolderMeaning], source: str) -> None:
    labels = sorted({meaning.label for meaning in meanings}, key=lambda name: (len(name), name))
    numbers = list(filter(is_number, labels))
    if len(labels) > 1 and not any(map(match_emotion, labels)):
        places = [(*meaning.root, *meaning.above, meaning.label) for meaning in meanings]
        differing = list_differing_names(places)
        codes = [name for name in differing if _is_person_code(name)]
        people = [name for name in numbers if int(re.findall(r"\d+", name)[-1]) > _MAX_CODE]
        if all(not set(codes).isdisjoint(place) for place in places):
            people = codes
        if people:
            problem = f"{people[0]}/ and others look like people or parts, not expressions"
            advice = f'{ADVICE}. If they are classes, name them: --labels "{people[0]}=?,..."'
            raise UserError(f"{source}: {problem}; {advice}")
        _check_below(meanings, source)
    if numbers:
        pairs = ",".join(f"{label}={match_emotion(label) or '?'}" for label in labels)
        problem = f"{source}: folders are named by numbers ({', '.join(numbers)})"
        raise UserError(f"{problem}; {suggest_labels(pairs)}")


def _check_below(meanings: Iterable[FolderMeaning], source: str) -> None:
    """Raise UserError if folders inside the classes repeat, and so may be the classes."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for meaning in meanings:
        for name in meaning.below:
            labels[name].add(meaning.label)
    for name, own in labels.items():
        if len(own) > 1 and not is_filler(name) and not match_split(name):
            first, second = sorted(own)[:2]
            problem = f"{source}: {first}/{name}/ and {second}/{name}/: which folder is the class?"
            raise UserError(f"{problem} Put the images right into the folders of their classes")


def _check_data_sets(meanings: Mapping[Folder, FolderMeaning], source: str) -> None:
    """Raise UserError for several data sets side by side."""
    outside = sorted(_format_folder(own) for own, meaning in meanings.items() if not meaning.split)
    if 0 < len(outside) < len(meanings):
        problem = f"{source}: {outside[0]} is in no split, but other folders are"
        raise UserError(f"{problem}; move or rename it (known names of splits: {KNOWN_SPLITS})")
    roots = sorted({_drop_people(own.root) for own in meanings.values()})
    if len(roots) > 1:
        names = join_first(list(map(_format_folder, roots)))
        has_versions = any(map(has_version_word, list_differing_names(roots)))
        merge = "" if has_versions else ", or merge them if they are parts of one"
        rename = f". If they are splits, rename them ({KNOWN_SPLITS})" if merge and outside else ""
        raise UserError(f"{source} holds several data sets ({names}); {CHOOSE}{merge}{rename}")


def _check_versions(meanings: Iterable[FolderMeaning], source: str) -> None:
    """Raise UserError for the same split twice, and for versions of the same faces."""
    groups: defaultdict[object, set[Folder]] = defaultdict(set)
    for meaning in meanings:
        root, split, above = meaning.root, meaning.split, meaning.above
        groups[root, split].add(above)
        label = match_emotion(meaning.label) or meaning.label
        groups[root, split, above, label].add((*above, meaning.label, *meaning.below))
    for folders in groups.values():
        names = list_differing_names(folders)
        both = " and ".join(map(_format_folder, sorted(folders)[:2]))
        if splits := list(filter(None, map(find_split, names))):
            problem = f"{source}: {both} are both the {splits[0]} split"
            raise UserError(f"{problem}; rename one of them, or move it out of the data set")
        if any(map(has_version_word, names)):
            problem = f"{source}: {both} may hold the same faces"
            raise UserError(f"{problem}; move one of them out of the data set")


def _format_folder(folder: Folder) -> str:
    return "/".join((*folder, "")) or "./"


def _is_person_code(name: str) -> bool:
    is_code = _PERSON_CODE.fullmatch(name) is not None
    return is_code and not (is_filler(name) or is_number(name) or find_split(name))


def _drop_people(folder: Folder) -> Folder:
    return tuple(
        name for name in folder if not (_is_person_code(name) or _PERSON_WORDS.fullmatch(name))
    )
