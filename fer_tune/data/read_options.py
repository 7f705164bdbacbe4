"""The user's decisions on how a data set is read: `--skip-bad` and `--labels`."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from fer_tune.common.errors import UserError

LABELS_HELP = (
    "classes of the data's labels, if these are not FER2013's numbers: \"1=surprise,2=fear,...\""
)

VOTES_HELP = "table of people's votes, a row for each face, such as FER+'s fer2013new.csv"
_MAX_LENGTH = 5_000  # MLflow stores parameters of at most 6,000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


# What a split that fer_tune holds out keeps on one side: exact duplicates only, as studies of
# earlier versions did, or near-duplicates too.
SplitRule = Literal["exact", "near"]


@dataclass(frozen=True)
class ReadOptions:
    """Options that every command reads a study's faces with.

    skip_bad: leave out unreadable rows and images, and note how many.
    labels: class names by the labels of the data, as `parse_labels` returns them; None if the
        labels are FER2013's numbers or names of classes.
    votes: table of people's votes on the faces, a row for each row of the data set's table.
    split_rule: which faces a held-out split keeps together; a study has the rule it began with.
    """

    skip_bad: bool = False
    labels: str | None = None
    votes: Path | None = None
    split_rule: SplitRule = "near"

    def __post_init__(self) -> None:
        if self.votes:  # the records of a study need the absolute path
            object.__setattr__(self, "votes", self.votes.absolute())

    def move_votes(self, votes: Path | None) -> "ReadOptions":
        """Return the options with the new path of the votes; None if they have not moved."""
        return replace(self, votes=votes) if votes else self

    @property
    def class_names(self) -> dict[str, str]:
        """Class names by label, as `normalize_label` writes it and in lower case."""
        return _split_labels(self.labels) if self.labels else {}


DEFAULT_OPTIONS = ReadOptions()


def parse_labels(text: str) -> str:
    """Return the value of `--labels` in its shortest form, sorted: "1=surprise,2=fear".

    Raises UserError that says what is wrong.
    """
    from fer_tune.data.formats.decoded_faces import check_classes

    names = _split_labels(text)
    check_classes(sorted(set(names.values())), "--labels")
    labels = ",".join(f"{label}={names[label]}" for label in sort_labels(names))
    if len(labels) > _MAX_LENGTH:
        raise UserError(f"--labels: {len(labels):,} characters; use at most {_MAX_LENGTH:,}")
    return labels


def normalize_label(text: str) -> str:
    """Return a label without quotes and spaces around it, and a whole number as digits."""
    text = normalize("NFC", text.strip(" \t\r\n\0'\""))
    if _NUMBER.fullmatch(text) and float(text).is_integer():
        return str(int(float(text)))
    return text


def is_numeric_label(label: str) -> bool:
    """Return whether a label is a number, with or without a fraction."""
    return _NUMBER.fullmatch(label) is not None


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return labels in the order of their numbers, then the words."""
    return sorted(labels, key=lambda x: (float(x) if is_numeric_label(x) else math.inf, x))


def _split_labels(text: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in text.split(","):
        label, _, name = (part.strip() for part in pair.partition("="))
        if not label or not name or name == "?":
            problem = f"--labels: {pair.strip()!r} is not LABEL=CLASS"
            advice = 'give each label of the data its class, such as --labels "1=happy,2=sad"'
            raise UserError(f"{problem}; {advice}")
        key = normalize_label(label).casefold()
        if key in names:
            raise UserError(f"--labels names {label} twice; give it one class")
        names[key] = name
    return names
