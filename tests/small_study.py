"""A small study on demo faces, which several test modules read."""

from dataclasses import dataclass

NAME = "demo-small"
SMALL = ["--space", "smoke", "--train-faces", "300"]
ONE_TRIAL = [*SMALL, "--trials", "1", "--epochs", "2"]
TWO_TRIALS = [*SMALL, "--trials", "2", "--epochs", "2"]


@dataclass(frozen=True)
class FinishedStudy:
    """A study in the tests' working folder.

    printed: what the search printed.
    """

    name: str
    printed: str
