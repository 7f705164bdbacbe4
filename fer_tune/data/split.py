"""The splits of a data set: its own, or tenths held out of its training faces."""

from typing import Literal

import numpy as np

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data.exact_duplicates import hash_images
from fer_tune.data.faces import SPLIT_NAMES, Faces, SplitName, Splits, concatenate_faces
from fer_tune.data.formats.decoded_faces import DecodedFaces

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


def split_faces(decoded: DecodedFaces, source: str) -> Splits:
    """Return three splits, made from those that the data set has.

    Three splits are used unchanged. If only one is held out, it is the test split and a tenth of
    the training faces validates. If none is, a tenth validates and a tenth tests. Tenths are
    stratified by class, and exact duplicates never cross them.

    Raises UserError for a single class, for a data set without training faces, and if a class has
    no faces in some split.
    """
    if len(decoded.classes) < 2:
        problem = f"{source} holds one class only ({decoded.classes[0]})"
        raise UserError(f"{problem}; give each expression a folder or a label of its own")
    faces = {name: _sort_faces(own) for name, own in decoded.splits.items()}
    notes = decoded.notes
    if len(faces) == 1:
        name, only = faces.popitem()
        faces = {"train": only}
        if name != "train":
            notes = (*notes, f"all faces are of the {name} split; they are divided anew")
    elif "train" not in faces:
        problem = f"{source} holds validation and test faces, but none to train on"
        raise UserError(f"{problem}; name the folder above it, or the whole data set")
    protocol = _hold_out_missing_splits(faces)
    sentence = protocol.format(**{name: f"{len(own):,}" for name, own in faces.items()})
    train, validation, test = (faces[name] for name in SPLIT_NAMES)
    splits = Splits(decoded.classes, train, validation, test, source, sentence, notes)
    for name in SPLIT_NAMES:
        counts = splits[name].count_by_class(len(splits.classes))
        if missing := [splits.classes[label] for label in np.flatnonzero(counts == 0)]:
            raise UserError(
                f"{source}: the {name} split has no faces of {join_first(missing)}; give each "
                "class some in each split, or 3 different ones to draw from"
            )
    return splits


def select_split(decoded: DecodedFaces, name: SplitName | Literal["all"], source: str) -> Faces:
    """Return the faces of one split as a study has it, or all faces; a class may be missing.

    A lone split other than train is the test split.

    Raises UserError if the data set does not have the split.
    """
    faces = {own: _sort_faces(own_faces) for own, own_faces in decoded.splits.items()}
    if name == "all":
        return concatenate_faces(list(faces.values()))
    if "train" in faces:
        _hold_out_missing_splits(faces)
    elif len(faces) == 1:
        faces = {"test": faces.popitem()[1]}
    if name not in faces:
        raise UserError(f"{source} has no {name} faces; it has {', '.join(faces)}, or use all")
    return faces[name]


def _hold_out_missing_splits(faces: dict[SplitName, Faces]) -> str:
    """Add the missing splits to `faces`, and return the protocol.

    faces: the training faces, and those of no, one or both other splits.
    """
    if len(faces) == 3:
        return _OWN_SPLITS
    protocol = _NO_VALIDATION if len(faces) == 2 else _NO_SPLITS
    if len(faces) == 2:
        (faces["test"],) = (own for name, own in faces.items() if name != "train")
    else:
        faces["train"], faces["test"] = _hold_out(faces["train"])
    faces["train"], faces["validation"] = _hold_out(faces["train"])
    return protocol


def _sort_faces(faces: Faces) -> Faces:
    # By class, then by the hash of the pixels: equal faces give equal arrays from any format.
    return faces.take(np.lexsort((hash_images(faces.images), faces.labels)))


def _hold_out(faces: Faces) -> tuple[Faces, Faces]:
    """Return the remaining faces, and a tenth of the distinct faces of each class.

    The lowest hashes of pixels are held out, not a random tenth. The tenth is thus the same in
    every study and with every version of NumPy, and exact duplicates stay together. Duplicates
    with conflicting labels count for the first of their classes.
    """
    if not len(faces):
        return faces, faces
    hashes = hash_images(faces.images)
    distinct, first = np.unique(hashes, return_index=True)
    labels = faces.labels[first]
    held_out = [
        members[: max(1, round(len(members) / _HOLD_OUT_DIVISOR))]
        for members in (distinct[labels == label] for label in np.unique(labels))
    ]
    is_out = np.isin(hashes, np.concatenate(held_out))
    return faces.take(np.flatnonzero(~is_out)), faces.take(np.flatnonzero(is_out))
