"""The result of decoding any format, and the collector that builds it face by face."""

import re
import reprlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable
from fer_tune.data.faces import SIDE, Faces, SplitName
from fer_tune.data.formats.class_and_split_names import index_classes
from fer_tune.data.formats.deep_image import DEPTHS, DeepFace, describe_depth, find_depth
from fer_tune.data.formats.folder_scan import describe_passed_over

_MAX_BAD_LISTED = 10


@dataclass(frozen=True, eq=False)
class DecodedFaces:
    """The faces of a data set in its own splits.

    splits: faces by the data set's own split; all are in "train" if it has none.
    notes: sentences that say what was converted or left out.
    """

    classes: tuple[str, ...]
    splits: Mapping[SplitName, Faces]
    notes: tuple[str, ...] = ()


# Names of metrics contain class names. MLflow reads paths in them, and limits their length.
_CLASS_PATTERN = re.compile(r"[\w-][\w .-]{0,99}")
_MAX_MARKS = 20
_MAX_CLASSES = 100


class FaceCollector:
    """A collector of a data set's good faces, bad faces and conversions."""

    def __init__(self, source: str, *, skip_bad: bool = False) -> None:
        self.source = source
        self.notes: dict[str, None] = {}  # an ordered set
        self.passed_over: list[PurePath] = []  # files of the data set that are not read
        self._conversions: Counter[str] = Counter()  # by sentence, which has {} for the count
        self._skip_bad = skip_bad
        self._pixels: defaultdict[SplitName | None, bytearray] = defaultdict(bytearray)
        self._deep: list[tuple[SplitName | None, int, DeepFace]] = []  # with their places
        self._labels: defaultdict[SplitName | None, list[str]] = defaultdict(list)
        self._bad: list[str] = []
        self._bad_count = 0

    def add_face(
        self,
        split: SplitName | None,
        label: str,
        pixels: NDArray[np.uint8] | DeepFace,  # (48, 48), or flat
        conversions: Iterable[str] = (),
    ) -> None:
        """Add a face with the sentences on its conversions."""
        if isinstance(pixels, DeepFace):
            self._deep.append((split, len(self._pixels[split]), pixels))
            pixels = pixels.by_depth[DEPTHS[-1]]
        self._pixels[split] += pixels.tobytes()
        self._labels[split].append(label)
        self._conversions.update(conversions)

    def add_bad_face(self, location: str, reason: str) -> None:
        """Record that the row or image at `location` cannot be read."""
        self._bad_count += 1
        if len(self._bad) < _MAX_BAD_LISTED:
            self._bad.append(escape_unprintable(f"{location}: {reason}"))

    def to_decoded_faces(self) -> DecodedFaces:
        """Return all faces collected.

        Raises UserError for bad faces (unless they are skipped), for no faces at all, and if only
        some faces have a split.
        """
        if self._bad_count and not self._skip_bad:
            raise self._build_bad_faces_error()
        if not self._labels:
            bad = f"; all {self._bad_count:,} are bad ({self._bad[0]})" if self._bad_count else ""
            raise UserError(f"{self.source} holds no readable faces{bad}")
        if None in self._labels and len(self._labels) > 1:
            raise UserError(
                f"{self.source}: {len(self._labels[None]):,} faces are in none of train, "
                "validation and test, but others are; move or remove them"
            )
        counts = Counter(label for own in self._labels.values() for label in own)
        classes, index, merges = index_classes(counts)
        _check_classes(classes, self.source)
        self._reduce_deep_faces()
        splits = {name or "train": self._build_faces(name, index) for name in self._labels}
        return DecodedFaces(classes, splits, (*self._collect_notes(), *merges))

    def _reduce_deep_faces(self) -> None:
        """Reduce the deep faces to 8 bits from the depth that the largest value of all shows."""
        largest = max((face.largest for _, _, face in self._deep), default=0)
        depth = find_depth(largest)
        for split, start, face in self._deep:
            pixels = face.by_depth[depth].tobytes()
            self._pixels[split][start : start + len(pixels)] = pixels
        if self._deep:
            self.notes[describe_depth(len(self._deep), largest)] = None

    def _build_faces(self, key: SplitName | None, index: Mapping[str, int]) -> Faces:
        images = np.frombuffer(self._pixels[key], np.uint8).reshape(-1, SIDE, SIDE)
        return Faces(images, np.array([index[name] for name in self._labels[key]], np.int64))

    def _build_bad_faces_error(self) -> UserError:
        if self._bad_count == 1:
            return UserError(f"{self._bad[0]} (--skip-bad leaves it out)")
        listed = f"; the first {_MAX_BAD_LISTED}" if self._bad_count > _MAX_BAD_LISTED else ""
        message = f"{self.source}: {self._bad_count:,} bad faces (--skip-bad leaves them out)"
        return UserError(f"{message}{listed}:", self._bad)

    def _collect_notes(self) -> tuple[str, ...]:
        counts = [text.format(f"{count:,}") for text, count in sorted(self._conversions.items())]
        if self._bad_count:
            counts.append(f"bad faces left out: {self._bad_count:,} (first: {self._bad[0]})")
        return (*self.notes, *describe_passed_over(self.passed_over), *counts)


def _check_classes(classes: Sequence[str], source: str) -> None:
    for name in classes:
        # Combining marks belong to letters, such as the vowel signs of Hindi and Thai.
        letters = "".join(c for c in name if not category(c).startswith("M"))
        if not _CLASS_PATTERN.fullmatch(letters) or len(name) - len(letters) > _MAX_MARKS:
            raise UserError(
                f"{source}: class name {reprlib.repr(name)}: use at most 100 letters and digits, "
                f"{_MAX_MARKS} vowel signs, spaces, '.', '_' and '-', and begin with a letter, a "
                "digit, '_' or '-'"
            )
    if len(classes) > _MAX_CLASSES:
        raise UserError(
            f"{source} holds {len(classes):,} classes ({', '.join(classes[:3])}, ...), more than "
            f"{_MAX_CLASSES}; are these the folders of expressions?"
        )
