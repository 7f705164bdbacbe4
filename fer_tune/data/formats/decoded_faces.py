"""The one shape that every format is read into, and how it is filled face by face."""

import re
import reprlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.common.text import escape_unprintable
from fer_tune.data.faces import SIDE, SPLIT_NAMES, Faces, SplitName
from fer_tune.data.formats import class_and_split_names as class_and_split_names

_MAX_BAD_LISTED = 10


@dataclass(frozen=True, eq=False)
class DecodedFaces:
    """Faces as a source divides them, before any protocol.

    parts: by the split that the source names; all under "train" where it names none.
    notes: what was converted or left out, one sentence each.
    """

    classes: tuple[str, ...]
    splits: Mapping[SplitName, Faces]
    notes: tuple[str, ...] = ()


# Classes name metrics in MLflow, which knows these characters only, and takes names for paths.
_CLASS_PATTERN = re.compile(r"[\w-][\w .-]{0,99}")
_MAX_CLASSES = 100


class FaceCollector:
    """Takes the good faces of a source, remembers the bad ones and counts what was converted."""

    def __init__(self, source: str, *, skip_bad: bool = False) -> None:
        self.source = source
        self.notes: dict[str, None] = {}  # a set that keeps its order
        self.conversions: Counter[str] = Counter()  # by sentence, with {} for the count
        self._skip_bad = skip_bad
        self._pixels: defaultdict[SplitName | None, bytearray] = defaultdict(bytearray)
        self._labels: defaultdict[SplitName | None, list[str]] = defaultdict(list)
        self._bad: list[str] = []
        self._bad_count = 0

    def add_face(
        self,
        split: SplitName | None,
        label: str,
        pixels: NDArray[np.uint8],  # (48, 48), or flat
    ) -> None:
        self._pixels[split] += pixels.tobytes()
        self._labels[split].append(label)

    def add_bad_face(self, location: str, reason: str) -> None:
        """Remember that the row or image at `where` cannot be read."""
        self._bad_count += 1
        if len(self._bad) < _MAX_BAD_LISTED:
            self._bad.append(escape_unprintable(f"{location}: {reason}"))

    def to_decoded_faces(self) -> DecodedFaces:
        """Everything taken so far.

        Raises UserError for bad faces (unless they are to be skipped), for no faces, and where
        only some faces say which split they belong to.
        """
        if self._bad_count and not self._skip_bad:
            raise self._build_bad_faces_error()
        if not self._labels:
            left = f"; all {self._bad_count:,} are bad ({self._bad[0]})" if self._bad_count else ""
            raise UserError(f"{self.source} holds no faces that can be read{left}")
        if None in self._labels and len(self._labels) > 1:
            raise UserError(
                f"{self.source}: some faces lie in train, validation or test and "
                f"{len(self._labels[None]):,} in none of them; move or remove those"
            )
        classes, index = class_and_split_names.index_classes(
            name for part in self._labels.values() for name in part
        )
        _check_classes(classes, self.source)
        parts = {
            name: self._build_faces(key, index)
            for name in SPLIT_NAMES
            for key in self._labels
            if (key or "train") == name
        }
        return DecodedFaces(classes, parts, self._collect_notes())

    def _build_faces(self, key: SplitName | None, index: Mapping[str, int]) -> Faces:
        images = np.frombuffer(self._pixels[key], np.uint8).reshape(-1, SIDE, SIDE)
        return Faces(images, np.array([index[name] for name in self._labels[key]], np.int64))

    def _build_bad_faces_error(self) -> UserError:
        if self._bad_count == 1:
            return UserError(f"{self._bad[0]} (--skip-bad goes on without it)")
        told = f"{self.source}: {self._bad_count:,} bad faces (--skip-bad goes on without them)"
        if self._bad_count > _MAX_BAD_LISTED:
            told += f"; the first {_MAX_BAD_LISTED}"
        return UserError(f"{told}:", self._bad)

    def _collect_notes(self) -> tuple[str, ...]:
        converted = [sentence.format(f"{n:,}") for sentence, n in sorted(self.conversions.items())]
        if self._bad_count:
            converted.append(f"bad faces left out: {self._bad_count:,} (first: {self._bad[0]})")
        return (*self.notes, *converted)


def _check_classes(classes: Sequence[str], source: str) -> None:
    for name in classes:
        if not _CLASS_PATTERN.fullmatch(name):
            raise UserError(
                f"{source}: class name {reprlib.repr(name)}: use letters, digits, spaces, '.', "
                "'_' and '-', not beginning with a space or a dot, at most 100"
            )
    if len(classes) > _MAX_CLASSES:
        raise UserError(
            f"{source} holds {len(classes):,} classes ({', '.join(classes[:3])}, ...), and "
            f"{_MAX_CLASSES} is the most; are these the folders of expressions?"
        )
