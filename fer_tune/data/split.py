"""Which faces train, which validate and which test."""

import numpy as np

from fer_tune.common.errors import UserError
from fer_tune.data.duplicates import hash_images
from fer_tune.data.faces import SPLIT_NAMES, Faces, SplitName, Splits
from fer_tune.data.formats import DecodedFaces

_HOLD_OUT_DIVISOR = 10  # of the distinct faces of a class, one in ten is held out

_AS_SPLIT = "As the data divides itself: {train} faces train, {validation} validate, {test} test."
_NO_VALIDATION = (
    "The data holds out one part only, so that tests ({test} faces); a tenth of the distinct "
    "training faces of each class validates ({validation}) and the others train ({train})."
)
_NO_SPLITS = (
    "The data does not divide itself, so a tenth of the distinct faces of each class tests "
    "({test} faces), a tenth of the others validates ({validation}) and the rest trains ({train})."
)


def split_faces(decoded: DecodedFaces, source: str) -> Splits:
    """Three splits, made of the parts into which a source divides itself.

    Three parts stay as they are. Of two, the held-out one tests and a tenth of the other
    validates. Of one, a tenth validates and a tenth tests. Tenths are stratified by class, and
    twins stay on one side.

    Raises UserError for a single class, for held-out parts without a training part, and where a
    class has no faces in some split.
    """
    if len(decoded.classes) < 2:
        raise UserError(f"{source} holds one class only ({decoded.classes[0]}); two are needed")
    parts = {name: _sort_faces(faces) for name, faces in decoded.splits.items()}
    protocol = _AS_SPLIT
    if len(parts) == 2:
        parts, protocol = _hold_out_validation(parts, source), _NO_VALIDATION
    elif len(parts) == 1:
        (everything,) = parts.values()
        rest, test = _hold_out(everything)
        train, validation = _hold_out(rest)
        parts, protocol = {"train": train, "validation": validation, "test": test}, _NO_SPLITS
    splits = Splits(
        decoded.classes,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        source=source,
        protocol=protocol.format(**{name: f"{len(faces):,}" for name, faces in parts.items()}),
        notes=decoded.notes,
    )
    _check_class_coverage(splits)
    return splits


def _hold_out_validation(splits: dict[SplitName, Faces], source: str) -> dict[SplitName, Faces]:
    if "train" not in splits:
        raise UserError(
            f"{source} holds faces to validate and to test, but none to train; name the folder "
            "above it, or the whole data set"
        )
    train, validation = _hold_out(splits["train"])
    (test,) = (faces for name, faces in splits.items() if name != "train")
    return {"train": train, "validation": validation, "test": test}


def _sort_faces(faces: Faces) -> Faces:
    # By class, then by the hash of the pixels: equal faces give equal arrays from any format.
    return faces.take(np.lexsort((hash_images(faces.images), faces.labels)))


def _hold_out(faces: Faces) -> tuple[Faces, Faces]:
    """The faces that stay, and a tenth of the distinct faces of each class.

    Which tenth is drawn by the hash of the pixels instead of by a random generator: it is the
    same in every study and with every version of NumPy, and twins cannot be parted. A twin group
    with conflicting labels counts for the first of its classes.
    """
    if not len(faces):
        return faces, faces
    prints = hash_images(faces.images)
    distinct, first = np.unique(prints, return_index=True)
    labels = faces.labels[first]
    held = [
        members[: max(1, round(len(members) / _HOLD_OUT_DIVISOR))]
        for members in (distinct[labels == label] for label in np.unique(labels))
    ]
    out = np.isin(prints, np.concatenate(held))
    return faces.take(np.flatnonzero(~out)), faces.take(np.flatnonzero(out))


def _check_class_coverage(splits: Splits) -> None:
    for name in SPLIT_NAMES:
        counts = splits[name].count_by_class(len(splits.classes))
        missing = [splits.classes[i] for i in np.flatnonzero(counts == 0)]
        if missing:
            raise UserError(
                f"{splits.source}: no faces of {', '.join(missing)} to {_PURPOSE_BY_SPLIT[name]} on; every "
                "class needs some in each split"
            )


_PURPOSE_BY_SPLIT: dict[SplitName, str] = {
    "train": "train",
    "validation": "validate",
    "test": "test",
}
