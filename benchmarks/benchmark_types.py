"""Input and output of a benchmark: setup, result, target."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class BenchmarkSetup:
    """Input of every benchmark.

    faces: a folder, CSV or zip for `load_splits`; None for the demo faces.
    repeats: number of measurements; a result's value is their median.
    folder: an empty folder for this benchmark, removed afterwards.
    quick: do a fraction of the work, to check that everything runs; the figures mean nothing.
    report_progress: prints one line of progress.
    """

    faces: Path | None
    repeats: int
    folder: Path
    quick: bool
    report_progress: Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """Bound for a value."""

    kind: Literal["at least", "at most"]
    bound: float

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.kind == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.kind} {self.bound:g}"


@dataclass(frozen=True)
class BenchmarkResult:
    """One row of the table.

    key: letter of the row, as in benchmarks/README.md.
    what: the measurement, for people.
    unit: "x" for a ratio, else "s", "ms", "MB", ...
    samples: one value for each repeat, in this unit.
    details: raw figures and context, as JSON values.
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
        """The smallest and the largest sample."""
        return min(self.samples), max(self.samples)

    @property
    def is_met(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        return self.target.is_met(self.median) if self.target else None
