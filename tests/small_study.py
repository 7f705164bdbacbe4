"""A small study on demo faces, which several test modules read."""

from dataclasses import dataclass
from pathlib import Path

NAME = "demo-small"
SMALL = ["--space", "smoke", "--train-faces", "128"]
ONE_TRIAL = [*SMALL, "--trials", "1", "--epochs", "2"]
TWO_TRIALS = [*SMALL, "--trials", "2", "--epochs", "2"]


@dataclass(frozen=True)
class FinishedStudy:
    """A study in a working folder of its own. Tests that change it use a copy of the folder.

    printed: what the search printed.
    """

    name: str
    folder: Path
    printed: str
