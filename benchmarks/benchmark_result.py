"""What a benchmark is told, and what it gives back."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class BenchmarkSetup:
    """What every benchmark is told.

    faces: a folder, CSV or zip that `load_splits` takes; None for the demo faces.
    repeats: of each measurement; a row's value is their median.
    folder: an empty one of the benchmark's own, removed afterwards.
    quick: do a fraction of the work, to see that all runs; the figures then say nothing.
    say: shows one line of progress.
    """

    faces: Path | None
    repeats: int
    folder: Path
    quick: bool
    report_progress: Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """What a value is held to."""

    kind: Literal["at least", "at most"]
    bound: float

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.kind == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.kind} {self.bound:g}"


@dataclass(frozen=True)
class BenchmarkResult:
    """One line of the table.

    key: the letter of the target that it belongs to.
    what: is measured, for people.
    unit: "x" for a ratio, else "s", "ms", "MB", ...
    samples: one for each repeat, in that unit.
    details: the raw figures behind it, and whatever helps to read it; fit for JSON.
    """

    key: str
    what: str
    unit: str
    samples: Sequence[float]
    target: Target | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def min_and_max(self) -> tuple[float, float]:
        """The least and the largest sample."""
        return min(self.samples), max(self.samples)

    @property
    def is_met(self) -> bool | None:
        """None where nothing is asked."""
        return self.target.is_met(self.median) if self.target else None


Benchmark = Callable[[BenchmarkSetup], Sequence[BenchmarkResult]]
