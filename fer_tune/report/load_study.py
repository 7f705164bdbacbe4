"""The study that a report describes, loaded from its event log or from MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from fer_tune.data.resampling import DATA_PLANS
from fer_tune.scoring.metrics import parse_classes
from fer_tune.scoring.vote_metrics import list_vote_metric_names
from fer_tune.study.ablation_plan import Ablation
from fer_tune.study.ranking import ScoredTrial, rank_trials
from fer_tune.study.records.event_log import find_start_time, read_trials
from fer_tune.study.records.settings import FILE as SETTINGS
from fer_tune.study.records.settings import check_study_name, read_settings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import BASELINE_TRIAL, NUMBERS_PER_SEED, TrialRecord
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.terminal.study_summary import SUMMARY_METRICS
from fer_tune.tracking import queries, tags
from fer_tune.tracking.confusion_matrix import parse_confusion_csv
from fer_tune.tracking.mlflow_metric_names import to_mlflow_name
from fer_tune.tracking.store import Store


@dataclass(frozen=True, eq=False)
class ReportedStudy:
    """A study in its present state; it may still be running.

    run: the study's run in MLflow.
    classes: class names by label; empty before the first epoch.
    trials: all trials by number; confusion matrices may be missing (see `load_study`).
    command: the command that started the study; None if it is not recorded.
    has_local_log: whether the storage has the event log, and so the checkpoints too.
    faces_by_plan: faces an epoch of every data plan; empty if the faces are not available.
    """

    run: queries.StudyRun
    space: SearchSpace
    classes: tuple[str, ...]
    trials: Sequence[TrialRecord]
    command: str | None = None
    has_local_log: bool = False
    faces_by_plan: Mapping[str, int] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """Name of the metric that decides a trial's best epoch."""
        return self.run.metric

    @cached_property
    def ablation(self) -> Ablation | None:
        """What the study takes apart, if it is an ablation."""
        text = self.run.settings.get("ablation")
        return Ablation.model_validate_json(text) if text else None

    @cached_property
    def scored(self) -> list[ScoredTrial]:
        """The trials that have finished an epoch, the best first."""
        return rank_trials(self.trials, self.metric, self.space.max_gap)

    @property
    def best(self) -> ScoredTrial:
        """The best trial. Raises IndexError if no trial has finished an epoch."""
        return self.scored[0]

    @property
    def by_plan(self) -> dict[str, list[ScoredTrial]]:
        """The trials of `scored` by data plan, without plans that have none."""
        plans: dict[str, list[ScoredTrial]] = {plan: [] for plan in DATA_PLANS}
        for trial in self.scored:
            plans[trial.record.config.data_plan].append(trial)
        return {plan: trials for plan, trials in plans.items() if trials}

    @property
    def baseline(self) -> ScoredTrial | None:
        """The baseline, if it has finished an epoch."""
        return next((trial for trial in self.scored if trial.number == BASELINE_TRIAL), None)

    @property
    def compared_trials(self) -> dict[str, ScoredTrial]:
        """The baseline, if it has finished an epoch, and the best trial, if it is another one."""
        trials = {"baseline": self.baseline} if self.baseline else {}
        return trials if self.best is self.baseline else {**trials, "best trial": self.best}


def load_study(
    store: Store, name: str, storage: StudyStorage, *, all_metrics: bool = False
) -> ReportedStudy:
    """Return the study called `name`, with the trials of its event log if the storage has it.

    Otherwise the trials come from MLflow. Then only the baseline and the best trial have a
    confusion matrix, at their best epoch, and only if they have ended.

    all_metrics: also read the metrics that no report shows, which takes MLflow longer.
    Raises UserError if the store has no such study.
    """
    run = queries.find_study(store, name)
    check_study_name(name)  # it becomes part of paths
    command = store.find_text(run.run_id, "command.txt")
    if (storage.local_dir / name / SETTINGS).exists():
        folder, settings = read_settings(storage.local_dir, name)
        # Two studies may have the same name, each in its own store.
        same_faces = settings.faces_hash == run.faces_hash
        if same_faces and find_start_time(folder) == queries.find_start_time(store, run):
            trials = read_trials(folder)
            metrics = next((trial.history[0].metrics for trial in trials if trial.history), ())
            classes = parse_classes(metrics)
            return ReportedStudy(run, settings.space, classes, trials, command, has_local_log=True)
    space = parse_space(store.find_text(run.run_id, "space.yaml") or "", f"space.yaml of {name}")
    trials, classes = _load_from_mlflow(store, run, space.max_gap, all_metrics)
    return ReportedStudy(run, space, classes, trials, command)


def _load_from_mlflow(
    store: Store, run: queries.StudyRun, max_gap: float | None, all_metrics: bool
) -> tuple[list[TrialRecord], tuple[str, ...]]:
    shown = {run.metric, *SUMMARY_METRICS, "train/accuracy", *list_vote_metric_names()}
    runs = {trial.number: trial for trial in queries.list_trials(store, run)}
    by_number = dict[int, TrialRecord]()  # with repeats of finalists
    for t in (*runs.values(), *queries.list_trials(store, run, tags.REPEAT)):
        finalist = None if t.number in runs else t.number % NUMBERS_PER_SEED
        names = [name for name in shown if to_mlflow_name(name) in t.metrics]
        names = [*t.metrics.keys() - {tags.EPOCH}] if all_metrics else names
        history = queries.load_metric_history(store, t, names)
        faces, steps = map(t.epoch_sizes.get, queries.EPOCH_PARAMS)
        state = t.ending, None, faces, steps, finalist
        own = by_number[t.number] = TrialRecord(t.number, t.name, t.config, history, *state)
        if finalist in runs:
            by_number[finalist].repeats.append(own)
    records = [by_number[number] for number in runs]
    # Sorted by name, not by label; without a confusion matrix only their number matters.
    found = {name for trial in runs.values() for name in parse_classes(trial.metrics)}
    classes = tuple(sorted(found))
    ranked = rank_trials(records, run.metric, max_gap)
    for trial in ranked:
        if trial is ranked[0] or trial.number == BASELINE_TRIAL:
            text = store.find_text(runs[trial.number].run_id, "confusion.csv")
            classes = (text and _fill_confusion_matrix(trial, text)) or classes
    return records, classes


def _fill_confusion_matrix(trial: ScoredTrial, text: str) -> tuple[str, ...]:
    """Fill in the matrix of the best epoch, and return the classes by label.

    An interrupted trial logs the matrix of its best epoch so far. The trial may have a better
    epoch since, so the matrix must agree with the epoch's accuracy.
    """
    table, history = parse_confusion_csv(text), trial.record.history
    confusion, accuracy = table.to_numpy(), trial.metrics["val/accuracy"]
    if abs(confusion.trace() - accuracy * confusion.sum()) < 0.5:
        index = history.index(trial.best_epoch)
        history[index] = replace(trial.best_epoch, confusion=confusion.tolist())
    return tuple(map(str, table.columns))
