"""What a study costs beside its training: trials that train nothing, recorded as real ones are.

python -m benchmarks.trial_overhead 10000     growth over so many trials; takes a quarter of an hour
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.benchmark_result import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import read_process_memory, start_process
from fer_tune.data.faces import EMOTIONS
from fer_tune.events import Event, Observer, TrialEnded
from fer_tune.scoring.metrics import EpochResult, Scores, build_epoch_metrics
from fer_tune.study.records.checkpoint_pruner import CheckpointPruner, checkpoint_directory
from fer_tune.study.records.event_log import EventLog, EventLogReader
from fer_tune.study.records.settings import StudySettings, write_settings
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.tune.ray_session import open_ray_session
from fer_tune.study.tune.resources import ResourceRequest, allocate_resources, detect_machine
from fer_tune.study.tune.shared_data import SharedStudyData
from fer_tune.study.tune.trainable import TrialOptions, report_epoch
from fer_tune.study.tune.tuner import RunContext, run_study
from fer_tune.terminal.live_table import LiveTable
from fer_tune.tracking.run_info import StudyInfo
from fer_tune.tracking.store import Store, open_store
from fer_tune.tracking.writer import StudyWriter
from fer_tune.trial import checkpoint

METRIC = "val/macro_f1"
CHECKPOINT = bytes(10_000)  # as many files as a trial's, but none of its weights
MEMORY_INTERVAL = 20  # trials between two looks at the driver's memory

# Trials and epochs of the studies that tell a study's fixed cost, a trial's and an epoch's apart.
SIZES = ((20, 5), (200, 2), (200, 5), (200, 10))
GROWTH_TRIALS = 2000  # trials
StudyShape = tuple[int, int]


def measure_trial_overhead(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """The cost of a trial and of an epoch, and how it and memory grow with the trials."""
    sizes = [(trials // 10, epochs) for trials, epochs in SIZES] if setup.quick else list(SIZES)
    costs = []
    for repeat in range(setup.repeats):
        with start_process() as process:
            spent = process.submit(run_empty_studies, setup.folder / str(repeat), sizes).result()
        costs.append(_fit_overhead(spent))
        setup.report_progress(
            f"overhead: {costs[-1].trial:.3f} s a trial, {costs[-1].epoch * 1e3:.1f} ms an epoch"
        )
    details = {"runs": [cost.runs for cost in costs]}
    return [
        BenchmarkResult(
            "f", "a trial", "s", [cost.trial for cost in costs], Target("at most", 0.25), details
        ),
        BenchmarkResult(
            "f", "an epoch", "ms", [c.epoch * 1e3 for c in costs], Target("at most", 20)
        ),
        *measure_growth(setup, 200 if setup.quick else GROWTH_TRIALS),
    ]


def measure_growth(setup: BenchmarkSetup, trials: int) -> list[BenchmarkResult]:
    """One study of so many trials: the last fifth of them beside those before the 1,000th.

    The first hundreds do not count: until then the study runs ahead of its record. Memory is
    that of the second half, since MLflow remembers where the last 1,024 runs keep their files.
    """
    with start_process() as process:
        (spent,) = process.submit(run_empty_studies, setup.folder / "grown", [(trials, 5)]).result()
    watch, early, tenth = spent.monitor, min(1000, trials), trials // 10
    first = watch.measure_ms_per_trial(early * 6 // 10, early)
    last = watch.measure_ms_per_trial(trials * 8 // 10, trials)
    slices = [watch.measure_ms_per_trial(n * tenth + 1, (n + 1) * tenth) for n in range(10)]
    numbers = [number for number in watch.memory_by_trials if number > trials / 2]
    memory = [watch.memory_by_trials[number] / 1e3 for number in numbers]
    details = {
        "trials": trials,
        "ms a trial by tenths": slices,
        "bytes by trials": watch.memory_by_trials,
    }
    slope = float(np.polyfit(numbers, memory, 1)[0])
    what = f"a trial at {trials} over one at {early}"
    return [
        BenchmarkResult("g", what, "x", [last / first], Target("at most", 1.2), details),
        BenchmarkResult("g", "driver memory a trial", "KB", [slope], Target("at most", 20)),
    ]


def run_empty_studies(folder: Path, sizes: Sequence[StudyShape]) -> "list[EmptyStudyTimes]":
    """A study for each of `sizes`, one after the other, with one Ray and one store."""
    store = open_store(root=folder / "mlruns")
    with open_ray_session(None):
        return [run_empty_study(store, folder / "studies", *size) for size in sizes]


def train_nothing(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:  # noqa: ARG001
    """Report as `train_trial` does, after keeping as many files as it does.

    The score rises with the number of the trial, so that ASHA, which is asked, stops none.
    """
    number = config["number"]
    confusion = np.random.default_rng(number).integers(0, 100, (len(EMOTIONS), len(EMOTIONS)))
    scores = Scores(1.0, confusion)
    kept = checkpoint_directory(options.shared_dir, number)
    for epoch in range(1, options.epochs + 1):
        score = 1 - 1 / (2 + number + epoch / (options.epochs + 1))
        metrics = {**build_epoch_metrics(scores, scores, EMOTIONS), METRIC: score}
        kept.write(checkpoint.FILE, CHECKPOINT)
        report_epoch(EpochResult(epoch, metrics, confusion.tolist()), options.metric)


@dataclass
class StudyMonitor:
    """When trials ended and what memory the driver had then; an observer of the study.

    ended: seconds since the study began, one a trial.
    memory: by the number of trials that had ended, the driver's own bytes (USS).
    """

    start_time: float = field(default_factory=time.monotonic)
    end_times: list[float] = field(default_factory=list)
    memory_by_trials: dict[int, int] = field(default_factory=dict)

    def on_event(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            self.end_times.append(time.monotonic() - self.start_time)
            if len(self.end_times) % MEMORY_INTERVAL == 0:
                self.memory_by_trials[len(self.end_times)] = measure_own_memory()

    def measure_ms_per_trial(self, first: int, last: int) -> float:
        """Milliseconds a trial from the `first` to the `last` that ended."""
        return (self.end_times[last - 1] - self.end_times[first - 1]) / (last - first) * 1e3


def measure_own_memory() -> int:
    """Bytes that this process shares with no other; Linux only."""
    return sum(
        size for kind, size in read_process_memory("self").items() if kind.startswith("Private_")
    )


@dataclass(frozen=True)
class EmptyStudyTimes:
    """A study that was run.

    study: seconds until the last trial had ended; recorded: until MLflow had everything.
    """

    trials: int
    epochs: int
    study_seconds: float
    recorded_seconds: float
    monitor: StudyMonitor


def run_empty_study(
    store: Store, folder: Path, trials: int, epochs: int, space: str = "paper"
) -> EmptyStudyTimes:
    """One study of `trials` times `epochs`, recorded in `store`; Ray must be connected."""
    settings = _make_settings(f"overhead-{trials}-{epochs}-{time.time_ns()}", trials, epochs, space)
    resources = allocate_resources([detect_machine()], trials, ResourceRequest())
    place = RunContext.on_this_machine(write_settings(folder, settings), resources)
    watch = StudyMonitor()
    with (
        Path(os.devnull).open("w") as nowhere,
        StudyWriter(store, _make_study_info(settings), EventLogReader(place.local_dir)) as writer,
        closing(EventLog(place.local_dir)) as journal,
        LiveTable(Console(file=nowhere), settings) as table,
    ):
        table.start_clock()
        tidier = CheckpointPruner(place.shared_dir, settings.metric)
        observers: list[Observer] = [journal, writer, table, tidier, watch]
        run_study(settings, {}, place, observers, train_nothing)
        study = time.monotonic() - watch.start_time
        missing = writer.close("finished")
        assert missing is None, missing
    return EmptyStudyTimes(trials, epochs, study, time.monotonic() - watch.start_time, watch)


@dataclass(frozen=True)
class OverheadFit:
    """Seconds of wall time until all was recorded, and the studies that tell it."""

    study: float
    trial: float
    epoch: float
    runs: list[dict[str, float]]


def _fit_overhead(times: Sequence[EmptyStudyTimes]) -> OverheadFit:
    """The least squares fit of the studies' wall time."""
    sizes = np.array([[1, each.trials, each.trials * each.epochs] for each in times])
    (study, trial, epoch), *_ = np.linalg.lstsq(sizes, [each.recorded_seconds for each in times])
    runs = [
        {
            "trials": s.trials,
            "epochs": s.epochs,
            "study s": s.study_seconds,
            "recorded s": s.recorded_seconds,
        }
        for s in times
    ]
    return OverheadFit(float(study), float(trial), float(epoch), runs)


def _make_settings(name: str, trials: int, epochs: int, space: str) -> StudySettings:
    return StudySettings(
        name=name,
        space_name=space,
        space=load_space(find_space_file(space)),
        data=None,
        skip_bad=False,
        faces_hash="0",
        train_faces=None,
        trials=trials,
        epochs=epochs,
        grace=1,
        reduction=3,
        metric=METRIC,
        seed=0,
        tracking_uri=None,
    )


def _make_study_info(settings: StudySettings) -> StudyInfo:
    return StudyInfo(
        name=settings.name,
        space=settings.space.to_yaml(),
        command="python -m benchmarks overhead",
        classes=EMOTIONS,
        source="no faces",
        faces_hash=settings.faces_hash,
        protocol="nothing is trained",
        code_version="benchmark",
        seed=settings.seed,
        metric=settings.metric,
        settings={"epochs": settings.epochs},
    )


def main(trials: int) -> None:
    """Print the growth over so many trials."""
    with tempfile.TemporaryDirectory(prefix="bench-overhead-") as folder:
        for row in measure_growth(BenchmarkSetup(None, 1, Path(folder), False, print), trials):
            print(f"{row.what}: {row.median:.3g} {row.unit} ({row.target})")
            print(*row.details.items(), sep="\n")


if __name__ == "__main__":
    # Of this module under its own name: workers cannot import from __main__.
    from benchmarks import trial_overhead as this

    this.main(int(sys.argv[1]))
