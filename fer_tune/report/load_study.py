"""The study that a report tells of: from its journal where that is at hand, else from MLflow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fer_tune.events import TrialStarted
from fer_tune.study.ranking import ScoredTrial, rank_trials
from fer_tune.study.records.event_log import read_events, read_trials
from fer_tune.study.records.settings import FILE as SETTINGS
from fer_tune.study.records.settings import check_study_name, open_study
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.terminal.study_summary import SUMMARY_METRICS
from fer_tune.tracking.artifacts import find_text
from fer_tune.tracking.confusion_matrix import parse_confusion_csv
from fer_tune.tracking.queries import (
    StudyRun,
    TrialRun,
    find_start_time,
    find_study,
    load_metric_history,
)
from fer_tune.tracking.queries import list_trials as trial_runs
from fer_tune.tracking.store import Store

_CLASS_F1_PREFIX = "val_f1/"


@dataclass(frozen=True, eq=False)
class ReportedStudy:
    """A study as far as it has come.

    run: in MLflow.
    classes: of the faces, by label; none before the first epoch.
    trials: by number; confusion matrices may be missing (see `load_study`).
    command: that began it; None where it is not recorded.
    is_here: whether the storage has its journal, and with it checkpoints.
    """

    run: StudyRun
    space: SearchSpace
    classes: tuple[str, ...]
    trials: Sequence[TrialRecord]
    command: str | None = None
    has_local_log: bool = False

    @property
    def metric(self) -> str:
        """By whose best epoch trials are scored."""
        return self.run.metric

    @cached_property
    def scored(self) -> list[ScoredTrial]:
        """The trials with a result, best first."""
        return rank_trials(self.trials, self.metric, self.space.max_gap)

    @property
    def best(self) -> ScoredTrial | None:
        return self.scored[0] if self.scored else None

    @property
    def baseline(self) -> ScoredTrial | None:
        """The trial of the paper's configuration, where it has a result."""
        return next((each for each in self.scored if each.number == BASELINE_TRIAL), None)


def load_study(store: Store, name: str, storage: StudyStorage) -> ReportedStudy:
    """The study called `name`, its trials from the journal where the storage has it.

    Else they come from MLflow, which has the confusion matrices of the best epochs of trials that
    have ended, and no others. Raises UserError without such a study.
    """
    run = find_study(store, name)
    check_study_name(name)  # it becomes part of paths
    command = find_text(store, run.run_id, "command.txt")
    if (storage.local_dir / name / SETTINGS).exists():
        folder, settings = open_study(storage.local_dir, name)
        # Two studies can have one name, each in a store of its own.
        if settings.faces_hash == run.faces_hash and _find_start_time(folder) == find_start_time(
            store, run
        ):
            records = read_trials(folder)
            classes = _find_classes(records)
            return ReportedStudy(run, settings.space, classes, records, command, has_local_log=True)
    text = find_text(store, run.run_id, "space.yaml") or ""
    space = parse_space(text, f"space.yaml of {name}")
    records, classes = _load_from_mlflow(store, run, space.max_gap)
    return ReportedStudy(run, space, classes, records, command)


def _find_start_time(folder: Path) -> int | None:
    started = (event for event in read_events(folder) if isinstance(event, TrialStarted))
    return next((event.time for event in started if event.number == BASELINE_TRIAL), None)


def _find_classes(trials: Sequence[TrialRecord]) -> tuple[str, ...]:
    first = next((each.history[0].metrics for each in trials if each.history), {})
    return tuple(_parse_class_names(first))


def _parse_class_names(metrics: Iterable[str]) -> list[str]:
    return [
        name.removeprefix(_CLASS_F1_PREFIX) for name in metrics if name.startswith(_CLASS_F1_PREFIX)
    ]


def _load_from_mlflow(
    store: Store, run: StudyRun, max_gap: float | None
) -> tuple[list[TrialRecord], tuple[str, ...]]:
    names = tuple(dict.fromkeys([run.metric, *SUMMARY_METRICS]))
    runs = trial_runs(store, run)
    records = [
        TrialRecord(
            each.number,
            each.name,
            each.config,
            load_metric_history(store, each, names),
            each.ending,
        )
        for each in runs
    ]
    # How many there are; their order is that of a confusion matrix.
    classes = tuple(sorted({name for each in runs for name in _parse_class_names(each.metrics)}))
    by_number = {each.number: each for each in runs}
    order = [each.record for each in rank_trials(records, run.metric, max_gap)]
    # Of the many, the report looks closely at these alone.
    for record in {each.number: each for each in records[:1] + order[:1]}.values():
        classes = (
            _fill_confusion_matrix(store, by_number[record.number], record, run.metric) or classes
        )
    return records, classes


def _fill_confusion_matrix(
    store: Store, trial: TrialRun, record: TrialRecord, metric: str
) -> tuple[str, ...]:
    """Fill the confusion matrix of the best epoch; the classes by label, none without it.

    The one that is kept may be of an epoch that was the best when the trial was interrupted.
    """
    best = record.find_best_epoch(metric)
    text = find_text(store, trial.run_id, "confusion.csv")
    if best is None or text is None:
        return ()
    table = parse_confusion_csv(text)
    confusion, accuracy = table.to_numpy(), best.metrics["val/accuracy"]
    if abs(confusion.trace() - accuracy * confusion.sum()) < 0.5:
        record.history[record.history.index(best)] = replace(best, confusion=confusion.tolist())
    return tuple(map(str, table.columns))
