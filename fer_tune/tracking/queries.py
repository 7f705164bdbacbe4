"""What the store knows of past and running studies."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fer_tune.common.errors import UserError
from fer_tune.events import STATUS_WORDS, Ending
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking import tags
from fer_tune.tracking.store import Store, summarize_error

if TYPE_CHECKING:
    from mlflow.entities import Run

    from fer_tune.trial_config import TrialConfig


@dataclass(frozen=True)
class StudyRun:
    """A study's parent run.

    ending: None while it runs, or where it was killed.
    metric: decides a trial's best epoch.
    tags: the run's, by the names in `fer_tune.tracking.tags`.
    settings: as the study was described with, in text.
    """

    name: str
    run_id: str
    ending: Ending | None
    metric: str
    tags: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def faces_hash(self) -> str:
        """Of the faces that it ran on (`Splits.content_hash`)."""
        return self.tags[tags.FACES_HASH]

    @property
    def data(self) -> Path | None:
        """Where its faces were; None for the demo faces."""
        path = self.settings.get("data")
        return Path(path) if path else None

    @property
    def epochs(self) -> int:
        """Full length of a trial."""
        return int(self.settings["epochs"])

    @property
    def max_gap(self) -> float | None:
        """The largest gap that its best trial may have; None for any."""
        most = self.settings.get("max_gap")
        return float(most) if most else None

    @property
    def skip_bad(self) -> bool:
        """Whether it left out faces that could not be read."""
        return self.settings.get("skip_bad") == "True"


@dataclass(frozen=True)
class TrialRun:
    """A trial's run.

    ending: None while it runs, or where it was killed.
    epochs: how many were recorded.
    metrics: of its last epoch, by the names in `fer_tune.scoring.metrics.named_metrics`.
    best: of its best epoch, without the prefix: `epoch`, `macro_f1`, `gap`, `train_accuracy`, ...
    """

    number: int
    run_id: str
    name: str
    config: "TrialConfig"
    ending: Ending | None
    epochs: int
    metrics: Mapping[str, float]
    best_metrics: Mapping[str, float]


def list_study_names(store: Store) -> list[str]:
    """Every study's name, the oldest first."""
    return [run.data.tags[tags.STUDY] for run in _list_study_runs(store)]


def find_study(store: Store, name: str) -> StudyRun:
    """The study called `name`. Raises UserError, with the closest names, where there is none."""
    run = find_parent_run(store, name)
    if run is None:
        raise UserError(
            f"study {name} is not in {store}; {_suggest_names(list_study_names(store), name)}"
        )
    marks, params = run.data.tags, run.data.params
    study = StudyRun(name, run.info.run_id, read_ending(run), marks[tags.METRIC], marks, params)
    with validate_run(run):
        if study.epochs < 1 or not study.faces_hash or not 0 <= (study.max_gap or 0) <= 1:
            raise ValueError("a study of no epochs or no faces")
    return study


def list_trials(store: Store, study: StudyRun) -> list[TrialRun]:
    """The study's trials by number."""
    runs = list_trial_runs(store, study.run_id)
    # A run without parameters was cut off as it began.
    return sorted((_to_trial_run(run) for run in runs if run.data.params), key=lambda t: t.number)


def find_start_time(store: Store, study: StudyRun) -> int | None:
    """When its first trial began, in milliseconds since 1970; None before it has."""
    where = f"tags.`{tags.PARENT}` = '{study.run_id}' AND tags.`{tags.TRIAL}` = '0'"
    return next((run.info.start_time for run in store.search_runs(where)), None)


def find_trial(store: Store, study: StudyRun, number: int) -> TrialRun:
    """One trial of the study. Raises UserError where it has none of that number."""
    found = {trial.number: trial for trial in list_trials(store, study)}
    if number not in found:
        has = f"trials {min(found)} to {max(found)}" if found else "no trials"
        raise UserError(f"trial {number}: study {study.name} has {has}")
    return found[number]


def load_metric_history(store: Store, trial: TrialRun, names: Sequence[str]) -> list[EpochResult]:
    """The trial's epochs with these metrics; only those that have them all.

    Confusion matrices of single epochs are not in MLflow: they are left empty.
    """
    client = store.create_client()
    values: dict[int, dict[str, float]] = {}
    for name in names:
        for metric in client.get_metric_history(trial.run_id, name):
            values.setdefault(metric.step, {})[name] = metric.value
    whole = {epoch: found for epoch, found in values.items() if len(found) == len(set(names))}
    return [EpochResult(epoch, whole[epoch], ()) for epoch in sorted(whole)]


def read_ending(run: "Run") -> Ending | None:
    """Return how the run of a study or trial ended; None if its end is not recorded.

    Older versions recorded the words of the events: "finished" for "completed", "stopped" for
    "pruned".
    """
    word = run.data.tags.get(tags.ENDED)
    ended = {word: ending for ending, word in STATUS_WORDS.items() if ending}
    return ended.get(word or "", cast("Ending | None", word))


def find_parent_run(store: Store, name: str) -> "Run | None":
    """The parent run of the study called `name`."""
    # Compared here: no quoting in MLflow's filters takes every name.
    runs = [run for run in _list_study_runs(store) if run.data.tags.get(tags.STUDY) == name]
    # One without parameters was cut off as it began.
    return max(runs, key=lambda run: len(run.data.params), default=None)


def list_trial_runs(store: Store, parent_id: str) -> "list[Run]":
    """The runs of a study's trials, oldest first. Raises UserError for one without a number."""
    where = f"tags.`{tags.PARENT}` = '{parent_id}' AND tags.`{tags.TRIAL}` != ''"
    runs = list(store.search_runs(where))
    for run in runs:
        with validate_run(run):
            int(run.data.tags[tags.TRIAL]), int(run.data.metrics.get(tags.EPOCH, 0))
    return runs


def _list_study_runs(store: Store) -> "list[Run]":
    return list(store.search_runs(f"tags.`{tags.METRIC}` != ''"))


def _to_trial_run(run: "Run") -> TrialRun:
    from fer_tune.trial_config import TrialConfig

    metrics = run.data.metrics
    with validate_run(run):
        config = TrialConfig.model_validate(run.data.params)
    return TrialRun(
        number=int(run.data.tags[tags.TRIAL]),
        run_id=run.info.run_id,
        name=run.info.run_name,
        config=config,
        ending=read_ending(run),
        epochs=int(metrics.get(tags.EPOCH, 0)),
        metrics={
            k: v
            for k, v in metrics.items()
            if not k.startswith(tags.BEST_PREFIX) and k != tags.SECONDS
        },
        best_metrics={
            k.removeprefix(tags.BEST_PREFIX): v
            for k, v in metrics.items()
            if k.startswith(tags.BEST_PREFIX)
        },
    )


@contextmanager
def validate_run(run: "Run") -> Iterator[None]:
    """Around reading a run of this package's: others may write to a store too.

    Raises UserError for what is not there or no number.
    """
    try:
        yield
    except (LookupError, ValueError) as error:
        raise UserError(
            f"run {run.info.run_id} ({run.info.run_name}) is not as a study leaves it "
            f"({summarize_error(error)}); was it changed?"
        ) from error


def _suggest_names(names: list[str], name: str) -> str:
    if not names:
        return "it has no studies yet"
    close = difflib.get_close_matches(name, names, n=len(names), cutoff=0)
    shown = ", ".join(close[:8])
    return f"it has {shown}" + (f" and {len(close) - 8} more" if len(close) > 8 else "")
