"""Studies and trials in MLflow: which there are, how they ended, what they measured."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from fer_tune.common.errors import MissingStudyError, UserError
from fer_tune.data.read_options import ReadOptions
from fer_tune.events import STATUS_WORDS, Ending
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking import tags
from fer_tune.tracking.find_study_run import explain_missing_study, find_parent_run
from fer_tune.tracking.log10_parameters import LOG10_PREFIX
from fer_tune.tracking.mlflow_metric_names import to_mlflow_name
from fer_tune.tracking.store import Store, summarize_error

if TYPE_CHECKING:
    from mlflow.entities import Run

    from fer_tune.data.faces import Splits
    from fer_tune.data.suspect_list import SuspectList
    from fer_tune.trial_config import TrialConfig

# Parameters of a trial's run beside its configuration; runs of earlier versions lack them.
EPOCH_PARAMS = ("faces_per_epoch", "steps_per_epoch")


@dataclass(frozen=True)
class StudyRun:
    """Parent run of a study.

    ending: None while the study runs, and if it was killed.
    metric: chooses a trial's best epoch.
    tags: tags of the run, by the names in `fer_tune.tracking.tags`.
    settings: parameters of the run, as text (see `StudyInfo.settings`).
    """

    name: str
    run_id: str
    ending: Ending | None
    metric: str
    tags: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def faces_hash(self) -> str:
        """Hash of the study's faces (`Splits.content_hash`)."""
        return self.tags[tags.FACES_HASH]

    @property
    def data(self) -> Path | None:
        """File or folder of the faces; None for the demo faces."""
        return Path(path) if (path := self.settings.get("data")) else None

    @property
    def epochs(self) -> int:
        """Epochs of a completed trial."""
        return int(self.settings["epochs"])

    @property
    def train_faces(self) -> int | None:
        """Size of the sample that the trials train on; None for the whole training split."""
        return int(size) if (size := self.settings.get("train_faces")) else None

    @property
    def max_gap(self) -> float | None:
        """Largest gap that the best trial may have; None for any."""
        return float(limit) if (limit := self.settings.get("max_gap")) else None

    @property
    def read_options(self) -> ReadOptions:
        """How the study's faces are read; the first versions did not record the rule."""
        return TypeAdapter(ReadOptions).validate_python({"split_rule": "exact", **self.settings})

    def load_splits(self, path: Path | None = None, votes: Path | None = None) -> "Splits":
        """Return the study's faces.

        path, votes: where the faces and people's votes are, if they have moved.
        Raises UserError if they cannot be read, or if others are there now.
        """
        from fer_tune.data.load import reload_splits

        options = self.read_options.move_votes(votes)
        hashes = self.faces_hash, self.settings.get("votes_hash")
        return reload_splits(path or self.data, options, self.name, *hashes)

    def read_suspects(self, path: Path | None = None) -> "SuspectList":
        """Return the study's list of suspects.

        path: where it is, if it has moved.
        Raises UserError if the study has no list, or if another one is there now.
        """
        from fer_tune.data.suspect_list import read_recorded_suspects

        recorded = self.settings.get("suspects"), self.settings.get("suspects_hash")
        return read_recorded_suspects(*recorded, path)


@dataclass(frozen=True)
class TrialRun:
    """Run of a trial.

    ending: None while the trial runs, and if it was killed.
    epochs: number of epochs that are recorded.
    metrics: metrics of the last epoch, named as by `build_epoch_metrics`.
    best_metrics: metrics of the best epoch, named without `best/`: `epoch`, `macro_f1`, `gap`, ...
    epoch_sizes: values of those of EPOCH_PARAMS that the run has.
    """

    number: int
    run_id: str
    name: str
    config: "TrialConfig"
    ending: Ending | None
    epochs: int
    metrics: Mapping[str, float]
    best_metrics: Mapping[str, float]
    epoch_sizes: Mapping[str, int] = field(default_factory=dict)


def find_study(store: Store, name: str) -> StudyRun:
    """Return the study called `name`.

    Raises MissingStudyError if the store has no such study: with the closest names, or with the
    command that restores its run.
    """
    run = find_parent_run(store, name)
    if run is None:
        raise MissingStudyError(explain_missing_study(store, name))
    marks, params = run.data.tags, run.data.params
    study = StudyRun(name, run.info.run_id, read_ending(run), marks[tags.METRIC], marks, params)
    with explain_run_errors(run):
        if study.epochs < 1 or not study.faces_hash or not 0 <= (study.max_gap or 0) <= 1:
            raise ValueError("a study of no epochs or no faces")
        _ = study.read_options  # raises ValueError, too
    return study


def list_trials(store: Store, study: StudyRun, tag: str = tags.TRIAL) -> list[TrialRun]:
    """Return the study's trials by number; tag: see `list_trial_runs`."""
    runs = list_trial_runs(store, study.run_id, tag)
    # A run without parameters was cut off when it began.
    trials = [_to_trial_run(run, tag) for run in runs if run.data.params]
    return sorted(trials, key=lambda trial: trial.number)


def find_trial(store: Store, study: StudyRun, number: int) -> TrialRun:
    """Return one trial of the study. Raises UserError if it has no trial of this number."""
    trials = {trial.number: trial for trial in list_trials(store, study)}
    if number not in trials:
        known = f"trials {min(trials)} to {max(trials)}" if trials else "no trials"
        raise UserError(f"trial {number}: study {study.name} has {known}")
    return trials[number]


def find_start_time(store: Store, study: StudyRun) -> int | None:
    """Return when trial 0 began, in milliseconds since 1970; None before it began."""
    runs = store.find_runs({tags.PARENT: study.run_id, tags.TRIAL: "0"})
    return next((run.info.start_time for run in runs), None)


def load_metric_history(store: Store, trial: TrialRun, names: Sequence[str]) -> list[EpochResult]:
    """Return the trial's epochs that have all of these metrics.

    Their confusion matrices are empty: MLflow has only the best epoch's.
    """
    client, epochs = store.client, dict[int, dict[str, float]]()
    for name in names:
        for metric in client.get_metric_history(trial.run_id, to_mlflow_name(name)):
            epochs.setdefault(metric.step, {})[name] = metric.value
    complete = [epoch for epoch in sorted(epochs) if epochs[epoch].keys() == {*names}]
    return [EpochResult(epoch, epochs[epoch], ()) for epoch in complete]


def read_ending(run: "Run") -> Ending | None:
    """Return how the study or trial of the run ended; None if no known ending is recorded.

    Older versions wrote "finished" for "completed" and "stopped" for "pruned".
    """
    word = run.data.tags.get(tags.ENDED)
    endings = (ending for ending, new_word in STATUS_WORDS.items() if word in (ending, new_word))
    return next(endings, None)


def list_trial_runs(store: Store, parent_id: str, tag: str = tags.TRIAL) -> "list[Run]":
    """Return the runs of a study's trials, oldest first.

    tag: REPEAT for the runs of the repeats of its finalists instead.
    Raises UserError for a run whose number or last epoch is no number.
    """
    runs = store.find_runs({tags.PARENT: parent_id, tag: ""})
    for run in runs:
        with explain_run_errors(run):
            int(run.data.tags[tag]), int(run.data.metrics.get(tags.EPOCH, 0))
    return runs


@contextmanager
def explain_run_errors(run: "Run") -> Iterator[None]:
    """Raise UserError for a missing or unreadable value of a run: something may have changed it."""
    try:
        yield
    except (LookupError, ValueError) as error:
        problem = f"run {run.info.run_id} ({run.info.run_name}) is not as a study leaves it"
        raise UserError(f"{problem} ({summarize_error(error)}); was it changed?") from error


def parse_config(params: Mapping[str, str]) -> "TrialConfig":
    """Return a run's configuration; a missing parameter is the baseline's.

    Raises ValueError for a parameter or a value that does not exist.
    """
    from fer_tune.trial_config import TrialConfig

    others = [name for name in params if name in EPOCH_PARAMS or name.startswith(LOG10_PREFIX)]
    return TrialConfig.model_validate({k: params[k] for k in params.keys() - others})


def _to_trial_run(run: "Run", tag: str) -> TrialRun:
    metrics, prefix = run.data.metrics, tags.BEST_PREFIX
    with explain_run_errors(run):
        config, params = parse_config(run.data.params), run.data.params
        sizes = {name: int(params[name]) for name in EPOCH_PARAMS if name in params}
    best = {k.removeprefix(prefix): v for k, v in metrics.items() if k.startswith(prefix)}
    return TrialRun(
        number=int(run.data.tags[tag]),
        run_id=run.info.run_id,
        name=run.info.run_name,
        config=config,
        ending=read_ending(run),
        epochs=int(metrics.get(tags.EPOCH, 0)),
        metrics={k: metrics[k] for k in metrics if not k.startswith(prefix) and k != tags.SECONDS},
        best_metrics=best,
        epoch_sizes=sizes,
    )
