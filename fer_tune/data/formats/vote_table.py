"""Tables of people's votes on faces, such as fer2013new.csv of FER+ (Barsoum et al. 2016)."""

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as quote

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.safe_text import join_first
from fer_tune.data.faces import Faces, SplitName
from fer_tune.data.formats.class_and_split_names import match_emotion, match_split, normalize_class
from fer_tune.data.formats.label_coding import SPLIT_COLUMNS
from fer_tune.data.votes import find_plurality

# With votes in the order of the faces, FER2013's labels have the most votes on 65 % of the faces;
# with shuffled votes, on 20 %.
_MIN_AGREEMENT = 0.4


@dataclass(frozen=True, eq=False)
class VoteTable:
    """Votes, one row a face.

    source: name of the file, for people.
    header: names of the columns.
    rows: place of each row, for people, with its values as text.

    Raises UserError if a row has too few or too many values.
    """

    source: str
    header: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]

    def __post_init__(self) -> None:
        for place, row in self.rows:
            if len(row) != len(self.header):
                problem = f"{len(row)} values instead of {len(self.header)}"
                raise UserError(f"{place}: {problem}; correct it")

    def count_votes(self, *classes: str) -> NDArray[np.float64]:
        """Return (R,) votes for these classes together, as `normalize_class` writes their names.

        Raises UserError if a value is not a number of votes.
        """
        own = [i for i, column in enumerate(self.header) if normalize_class(column) in classes]
        return np.array([sum(self._parse(*row, i) for i in own) for row in self.rows], np.float64)

    def _parse(self, place: str, values: Sequence[str], index: int) -> float:
        try:
            votes = float(values[index])
        except ValueError:
            votes = math.nan
        if not 0 <= votes < math.inf:
            problem = f"{quote(values[index])} is not a number of votes"
            raise UserError(f"{place}, column {self.header[index]}: {problem}; correct it")
        return votes

    def share_votes(self, classes: Sequence[str]) -> NDArray[np.float32]:
        """Return (R, C) the votes for each class as shares; NaN in a row without such votes.

        Votes for other classes are left out first.

        Raises UserError if a class has no column, or if no row has votes.
        """
        columns = set(map(normalize_class, self.header))
        if missing := [name for name in classes if normalize_class(name) not in columns]:
            found = join_first([quote(name) for name in self.header], limit=12)
            problem = f"{self.source}: no column of votes for {join_first(missing)}; found {found}"
            raise UserError(f"{problem}; name a file like FER+'s fer2013new.csv")
        counts = np.stack([self.count_votes(normalize_class(name)) for name in classes], axis=1)
        total = counts.sum(1, keepdims=True)
        if not total.any():
            raise UserError(f"{self.source}: no face has a vote for {join_first(classes)}")
        shares = np.full(counts.shape, np.nan, np.float32)
        np.divide(counts, total, out=shares, where=total > 0, casting="same_kind")
        return shares

    def describe_votes(self, classes: Sequence[str], faces: Collection[Faces]) -> str:
        """Return a note on the votes that are left out, and on the number of faces without any.

        Raises UserError if most labels contradict the votes.
        """
        plurality = np.concatenate([find_plurality(own) for own in faces])
        labels = np.concatenate([own.labels for own in faces])
        has_votes = plurality >= 0
        agreement = (plurality == labels)[has_votes].mean() if has_votes.any() else 1
        if agreement < _MIN_AGREEMENT:
            raise UserError(
                f"{self.source}: most people see the given label on only {agreement:.0%} of the "
                "faces, so its rows are in another order; name the votes in the order of the data"
            )
        known = set(map(normalize_class, classes))
        others = [name for name in self.header if _is_vote_column(name, known)]
        left_out = f"; those for {join_first(others)} are left out" if others else ""
        without = (~has_votes).sum()
        keep = f"; {without:,} faces have none and keep their label" if without else ""
        return f"people's votes were read from {self.source}{left_out}{keep}"

    def check_split(self, index: int, split: SplitName) -> None:
        """Raise UserError if the row at `index`, from 0, says another split than its face."""
        place, values = self.rows[index]
        for name, value in zip(self.header, values, strict=True):
            if name.casefold() in SPLIT_COLUMNS and match_split(value) not in (split, None):
                raise UserError(
                    f"{place}: {name} is {quote(value)}, but the face of this row is in the "
                    f"{split} split; name the votes on these faces"
                )


def _is_vote_column(name: str, known: set[str]) -> bool:
    is_vote = match_emotion(name) is not None or name.casefold() in ("unknown", "nf")
    return is_vote and normalize_class(name) not in known


def read_vote_table(path: Path) -> VoteTable:
    """Return the table at `path`, a CSV with a header.

    Raises UserError if it cannot be read, or if a row has too few or too many values.
    """
    with explain_os_errors(f"--votes {path} cannot be read", "name a file like fer2013new.csv"):
        content = path.read_bytes()
    try:
        table = parse_rows(content, path.name)
    except (UnicodeDecodeError, csv.Error):
        problem = f"{path.name} is not a CSV of votes"
        raise UserError(f"{problem}; name a file like FER+'s fer2013new.csv") from None
    if len(table) < 2:
        raise UserError(f"{path.name} has no rows of votes; name a file like fer2013new.csv")
    (_, first), *rows = table
    return VoteTable(path.name, [name.strip() for name in first], rows)


def parse_rows(content: bytes, name: str) -> list[tuple[str, list[str]]]:
    """Return the rows of the CSV file `name`, each with its place, without empty rows.

    Raises UnicodeDecodeError or csv.Error if it is not a CSV file.
    """
    lines = content.decode("utf-8-sig").splitlines()
    numbered = enumerate(csv.reader(lines, skipinitialspace=True), start=1)
    return [(f"{name}, row {number}", row) for number, row in numbered if any(row)]
