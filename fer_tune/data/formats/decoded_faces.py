"""The result of decoding any format, and the collector that builds it face by face."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from reprlib import repr as quote
from typing import NamedTuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable, pluralize
from fer_tune.data.faces import SIDE, Faces, SplitName
from fer_tune.data.formats.class_and_split_names import KNOWN_SPLITS, index_classes
from fer_tune.data.formats.folder_scan import describe_skipped_files
from fer_tune.data.formats.image_file import DeepFace, describe_depth, find_depth
from fer_tune.data.formats.label_coding import FER2013_NOTE, decode_labels, explain_label
from fer_tune.data.formats.vote_table import read_vote_table
from fer_tune.data.read_options import ReadOptions, is_numeric_label, normalize_label

# What to do about several data sets in one place.
CHOOSE = "name one of them (unpack a zip first), or move the others away"

_MAX_BAD_LISTED = 10

_Shares = NDArray[np.float32] | None  # see `VoteTable.share_votes`


@dataclass(frozen=True, eq=False)
class DecodedFaces:
    """The faces of a data set in its own splits.

    splits: faces by the data set's own split; all are in "train" if it has none.
    notes: sentences that say what was converted or left out.
    has_splits: whether the data set says the split of each face.
    """

    classes: tuple[str, ...]
    splits: Mapping[SplitName, Faces]
    notes: tuple[str, ...] = ()
    has_splits: bool = True


# Names of metrics contain class names. MLflow reads paths in them, and limits their length.
_CLASS_PATTERN = re.compile(r"[\w-][\w .-]*")
_MAX_NAME_LENGTH = 100
_MAX_CLASSES = 100


class CollectedFace(NamedTuple):
    """A face as the data set has it; its label and the depth of its pixels are not yet decoded.

    label: as the data set has it, or the name of a class.
    location: path of the image, or table and row; it becomes the face's name.
    row: position of its row in the table, from 0, by which votes find it; -1 without a table.
    """

    split: SplitName | None
    label: str
    pixels: NDArray[np.uint8] | DeepFace  # (48, 48)
    location: str
    row: int = -1


class FaceCollector:
    """A collector of a data set's good faces, bad faces and conversions.

    class_names: those of `--labels`, by label in lower case; empty without the option.
    label_column: the column of labels, whose coding is decided at the end; None if the labels are
        the names of folders.
    advice: what readable faces look like, for the error that there are none.
    """

    def __init__(self, source: str, options: ReadOptions) -> None:
        self.source = source
        self.label_column: str | None = None
        self.advice = ""
        self.notes: dict[str, None] = {}  # an ordered set
        self.skipped_files: list[PurePath] = []  # files of the data set that are not read
        self.label_pairs: dict[object, str] = {}  # see `merge_labels`
        self.unknown_splits: Counter[str] = Counter()  # rows by split, of bad rows; "" for none
        self.class_names = options.class_names
        self.row_counts: list[int] = []  # of each table of faces, as far as it is read
        self.vote_table = read_vote_table(options.votes) if options.votes else None
        self._skip_bad = options.skip_bad
        self._conversions: Counter[str] = Counter()  # by sentence, which has {} for the count
        self._faces: list[CollectedFace] = []
        self._bad: list[str] = []

    def add_face(self, face: CollectedFace, conversions: Iterable[str] = ()) -> None:
        """Add a face with the sentences on its conversions."""
        label = normalize_label(face.label) if self._is_coded else face.label
        self._faces.append(face._replace(label=label))
        self._conversions.update(conversions)

    def add_bad_face(self, location: str, reason: str) -> None:
        """Record that the row or image at `location` cannot be read."""
        self._bad.append(escape_unprintable(f"{location}: {reason}"))

    def to_decoded_faces(self) -> DecodedFaces:
        """Return all faces collected.

        Raises UserError for labels and splits of an unknown coding, and for no faces. The same goes
        for bad faces that are not skipped, for votes on other faces, and if only some faces have a
        split.
        """
        self._check_splits()
        names = self._decode_labels()
        if not names:
            raise self._build_no_faces_error()
        if self._bad and not self._skip_bad:
            raise self._build_bad_faces_error()
        by_split = Counter(face.split for face in self._faces)
        if None in by_split and len(by_split) > 1:
            faces = pluralize(by_split[None], "face")
            problem = f"{self.source}: {faces} in none of train, validation and test"
            raise UserError(f"{problem}, but others are; move or remove them")
        counts = Counter(names[face.label] for face in self._faces if face.label in names)
        classes, index, merges = index_classes(counts)
        check_classes(classes, self.source)
        depth = self._find_depth()
        labels = {label: index[name] for label, name in names.items()}
        shares = self._share_votes(names, classes)
        splits = {
            split or "train": self._build_faces(split, labels, depth, shares) for split in by_split
        }
        if self.vote_table:
            self.notes[self.vote_table.describe_votes(classes, splits.values())] = None
        notes = (*self._collect_notes(), *merges)
        return DecodedFaces(classes, splits, notes, None not in by_split)

    @property
    def _is_coded(self) -> bool:
        return self.label_column is not None or bool(self.class_names)

    def _check_splits(self) -> None:
        """Raise UserError for an unknown split in several rows, which are not damaged then."""
        for name, count in self.unknown_splits.most_common():
            if name and count > 1:
                raise UserError(
                    f"{self.source}: {count:,} rows are in {quote(name)}, which is not the name of "
                    f"a split; rename it (known names: {KNOWN_SPLITS})"
                )

    def _decode_labels(self) -> dict[str, str]:
        """Return the class of each good label, and record the faces with other labels as bad."""
        counts = Counter(face.label for face in self._faces)
        if not self._is_coded:
            return {label: label for label in counts}
        place = f"{self.source}, {self.label_column or 'folders'}"
        names = decode_labels(counts, self.class_names, place)
        column = f": {self.label_column}" if self.label_column else ""
        for face in self._faces:
            if face.label not in names:
                reason = explain_label(face.label, names, self.class_names)
                self.add_bad_face(f"{face.location}{column}", reason)
        if unused := sorted(self.class_names.keys() - set(map(str.casefold, names))):
            self.notes[f"labels in --labels, but not in the data: {', '.join(unused)}"] = None
        if not self.class_names and any(map(is_numeric_label, names)):
            self.notes[FER2013_NOTE] = None
        return names

    def _find_depth(self) -> int:
        """Return how many bits the deep faces need, by the largest value of all, and note it."""
        deep = [face.pixels.largest for face in self._faces if isinstance(face.pixels, DeepFace)]
        largest = max(deep, default=0)
        if deep:
            self.notes[describe_depth(len(deep), largest)] = None
        return find_depth(largest)

    def _share_votes(self, labels: Collection[str], classes: Sequence[str]) -> _Shares:
        """Return the votes as shares; raises UserError if they are not on the rows of the faces."""
        table = self.vote_table
        if table is None:
            return None
        shares = table.share_votes(classes)
        if self.row_counts != [len(table.rows)]:
            faces = pluralize(sum(self.row_counts), "row")
            tables = pluralize(len(self.row_counts), "table")
            raise UserError(
                f"{table.source} has {pluralize(len(table.rows), 'row')} of votes, but "
                f"{self.source} has {faces} in {tables}; name the votes on the rows of one table"
            )
        for face in self._faces:
            if face.split and face.label in labels:
                table.check_split(face.row, face.split)
        return shares

    def _build_faces(
        self, split: SplitName | None, labels: Mapping[str, int], depth: int, shares: _Shares
    ) -> Faces:
        own = [face for face in self._faces if face.split == split and face.label in labels]
        pixels = [
            face.pixels.by_depth[depth] if isinstance(face.pixels, DeepFace) else face.pixels
            for face in own
        ]
        images = np.array(pixels, np.uint8).reshape(-1, SIDE, SIDE)
        names = np.array([escape_unprintable(face.location) for face in own], np.str_)
        votes = None if shares is None else shares[[face.row for face in own]]
        return Faces(images, np.array([labels[face.label] for face in own], np.int64), names, votes)

    def _build_no_faces_error(self) -> UserError:
        problem = f"{self.source} holds no readable faces"
        if len(self._bad) == 1:
            problem = self._bad[0]
        elif self._bad:
            problem += f"; all {len(self._bad):,} are bad ({self._bad[0]})"
        return UserError(f"{problem}{self.advice and '; '}{self.advice}")

    def _build_bad_faces_error(self) -> UserError:
        count = len(self._bad)
        if count == 1:
            return UserError(f"{self._bad[0]} (--skip-bad leaves it out)")
        listed = f"; the first {_MAX_BAD_LISTED}" if count > _MAX_BAD_LISTED else ""
        message = f"{self.source}: {count:,} bad faces (--skip-bad leaves them out)"
        return UserError(f"{message}{listed}:", self._bad[:_MAX_BAD_LISTED])

    def _collect_notes(self) -> tuple[str, ...]:
        counts = [text.format(f"{count:,}") for text, count in sorted(self._conversions.items())]
        if self._bad:
            counts.append(f"bad faces left out: {len(self._bad):,} (first: {self._bad[0]})")
        return (*self.notes, *describe_skipped_files(self.skipped_files), *counts)


def check_classes(classes: Sequence[str], source: str) -> None:
    """Raise UserError if a class has a name that records cannot hold, or if there are too many."""
    for name in classes:
        # Combining marks belong to letters, such as the vowel signs of Hindi and Thai.
        letters = "".join(c for c in name if not category(c).startswith("M"))
        if not _CLASS_PATTERN.fullmatch(letters) or len(name) > _MAX_NAME_LENGTH:
            raise UserError(
                f"{source}: class name {quote(name)}: use at most {_MAX_NAME_LENGTH} letters, "
                "digits, spaces, '.', '_' and '-', and begin with a letter, a digit, '_' or '-'"
            )
    if len(classes) > _MAX_CLASSES:
        raise UserError(
            f"{source} holds {len(classes):,} classes ({', '.join(classes[:3])}, ...), more than "
            f"{_MAX_CLASSES}; are these the folders of expressions?"
        )
