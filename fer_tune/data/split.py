"""The splits of a data set: its own, or tenths held out of its training faces."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data import cache
from fer_tune.data.duplicates import hash_images
from fer_tune.data.faces import SPLIT_NAMES, Faces, SplitName, Splits, concatenate_faces
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.read_options import SplitRule

_HOLD_OUT_DIVISOR = 10  # of the distinct faces of a class, one in ten is held out

_OWN_SPLITS = "The data set's own splits: {train} faces train, {validation} validate, {test} test."
_NO_VALIDATION = (
    "The data set has one held-out split, which is used as the test split ({test} faces). The "
    "validation split is a tenth of the distinct training faces of each class ({validation}). The "
    "other {train} faces train."
)
_NO_SPLITS = (
    "The data set has no splits. The test split is a tenth of the distinct faces of each class "
    "({test}). The validation split is a tenth of the rest ({validation}). The other {train} faces "
    "train."
)
_NEAR_TOGETHER = " Near-duplicates stay on one side{exceptions}."


def split_faces(decoded: DecodedFaces, source: str, rule: SplitRule = "near") -> Splits:
    """Return three splits, made from those that the data set has.

    Three splits are used unchanged. If only one is held out, it is the test split and a tenth of
    the training faces validates. If none is, a tenth validates and a tenth tests. Tenths are
    stratified by class, and duplicates never cross them.

    rule: whether near-duplicates stay together, or exact ones only.
    Raises UserError for a single class, for a data set without training faces, and if a class has
    no faces in some split.
    """
    if len(decoded.classes) < 2:
        problem = f"{source} holds one class only ({decoded.classes[0]})"
        raise UserError(f"{problem}; give each expression a folder or a label of its own")
    faces = {name: _sort_faces(own) for name, own in decoded.splits.items()}
    notes = decoded.notes
    if len(faces) == 1:
        name, faces["train"] = faces.popitem()
        if name != "train":
            notes = (*notes, f"all faces are of the {name} split; they are divided anew")
    elif "train" not in faces:
        problem = f"{source} holds validation and test faces, but none to train on"
        raise UserError(f"{problem}; name the folder above it, or the whole data set")
    protocol = _hold_out_missing_splits(faces, rule, decoded.classes)
    sentence = protocol.format(**{name: f"{len(own):,}" for name, own in faces.items()})
    train, validation, test = (faces[name] for name in SPLIT_NAMES)
    splits = Splits(decoded.classes, train, validation, test, source, sentence, notes)
    for name in SPLIT_NAMES:
        counts = splits[name].count_by_class(len(splits.classes))
        if missing := [splits.classes[label] for label in np.flatnonzero(counts == 0)]:
            problem = f"{source}: the {name} split has no faces of {join_first(missing)}"
            advice = "give each class some in each split, or 3 different ones to draw from"
            raise UserError(f"{problem}; {advice}")
    return splits


def select_split(
    decoded: DecodedFaces, name: SplitName | Literal["all"], source: str, rule: SplitRule = "near"
) -> Faces:
    """Return the faces of one split as a study has it, or all faces; a class may be missing.

    A lone split other than train is the test split.

    Raises UserError if the data set does not have the split.
    """
    faces = {own: _sort_faces(own_faces) for own, own_faces in decoded.splits.items()}
    if name == "all":
        return concatenate_faces(list(faces.values()))
    if "train" in faces:
        _hold_out_missing_splits(faces, rule, decoded.classes)
    elif len(faces) == 1:
        faces = {"test": faces.popitem()[1]}
    if name not in faces:
        raise UserError(f"{source} has no {name} faces; it has {', '.join(faces)}, or use all")
    return faces[name]


def _hold_out_missing_splits(
    faces: dict[SplitName, Faces], rule: SplitRule, classes: Sequence[str]
) -> str:
    """Add the missing splits to `faces`, and return the protocol.

    faces: the training faces, and those of no, one or both other splits.
    """
    if len(faces) == 3:
        return _OWN_SPLITS
    protocol = _NO_VALIDATION if len(faces) == 2 else _NO_SPLITS
    groups, exceptions = _group_faces(faces["train"], rule)
    if len(faces) == 2:
        (faces["test"],) = (own for name, own in faces.items() if name != "train")
    else:
        is_out = _hold_out(faces["train"], groups)
        faces["train"], faces["test"] = divide_faces(faces["train"], is_out)
        groups = groups[~is_out]
    is_out = _hold_out(faces["train"], groups)
    faces["train"], faces["validation"] = divide_faces(faces["train"], is_out)
    if rule == "near":
        named = join_first([classes[label] for label in exceptions])
        protocol += _NEAR_TOGETHER.format(exceptions=f", except those of {named}" * bool(named))
    return protocol


def _sort_faces(faces: Faces) -> Faces:
    # By class, then by the hash of the pixels: equal faces give equal arrays from any format.
    return faces.take(np.lexsort((hash_images(faces.images), faces.labels)))


def _group_faces(faces: Faces, rule: SplitRule) -> tuple[NDArray[np.int64], list[int]]:
    """Return (N,) the number of each face's group, and the labels whose groups are exact.

    Exact groups contain exact duplicates only. A class of too few groups for three splits has them
    also by the rule "near".
    """
    exact = np.unique(hash_images(faces.images), return_inverse=True)[1]
    if rule == "exact":
        return exact, []
    near = cache.load_or_group(faces.images)
    groups, exceptions = near.copy(), []
    for label in np.unique(faces.labels).tolist():
        own = np.unique(near[faces.labels == label])
        if len(own) < len(SPLIT_NAMES):
            is_own = np.isin(near, own)
            groups[is_own] = exact[is_own] + len(near)  # after the numbers of all other groups
            exceptions.append(label)
    return groups, exceptions


def divide_faces(faces: Faces, is_out: NDArray[np.bool_]) -> tuple[Faces, Faces]:
    """Return the faces that are not out, and those that are."""
    return faces.take(np.flatnonzero(~is_out)), faces.take(np.flatnonzero(is_out))


def _hold_out(
    faces: Faces,  # sorted by class
    groups: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return (N,) which faces are held out: a tenth of the distinct faces of each class.

    The groups of the lowest hashes are held out, not a random tenth. The tenth is thus the same in
    every study and with every version of NumPy. A group with conflicting labels counts for the
    first of their classes.
    """
    hashes = hash_images(faces.images)
    distinct = np.sort(np.unique(hashes, return_index=True)[1])
    numbers, first, group, sizes = np.unique(
        groups[distinct], return_index=True, return_inverse=True, return_counts=True
    )
    labels = faces.labels[distinct[first]]
    # The exclusive or of its faces' hashes: a large group is as likely held out as a single face.
    group_hashes = np.zeros(len(numbers), np.uint64)
    np.bitwise_xor.at(group_hashes, group, hashes[distinct])
    held_out = list[int]()
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held_out += _choose_tenth(members[np.argsort(group_hashes[members])], sizes)
    return np.isin(groups, numbers[held_out])


def _choose_tenth(ordered: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[int]:
    """Return the first groups that together have a tenth of the faces of all, but at least one.

    A group that is too large for the rest of the tenth is left out. Two groups are left for the
    other splits, if there are enough.
    """
    missing = max(1, round(int(sizes[ordered].sum()) / _HOLD_OUT_DIVISOR))
    chosen = list[int]()
    for group in ordered.tolist():
        if sizes[group] <= missing:
            chosen.append(group)
            missing -= int(sizes[group])
    most = max(1, len(ordered) - 2)
    return chosen[:most] or [int(ordered[sizes[ordered].argmin()])]
