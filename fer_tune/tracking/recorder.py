"""Events put into MLflow, one at a time; each may come again without being recorded twice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fer_tune.errors import UserError
from fer_tune.events import Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.tracking import tags
from fer_tune.tracking.best import best_metrics
from fer_tune.tracking.description import StudyDescription
from fer_tune.tracking.figures import log_confusion
from fer_tune.tracking.store import Store
from fer_tune.tracking.studies import parent_run, trial_runs
from fer_tune.training.metrics import EpochResult, improves

if TYPE_CHECKING:
    from mlflow.entities import Run

_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


@dataclass(frozen=True)
class StudyEnded:
    """The last event of a study, which only its writer tells.

    note: what came out, for the head of the study's page.
    """

    ending: Ending
    note: str
    time: int


@dataclass
class _Trial:
    run_id: str
    recorded: int = 0  # the last epoch in MLflow
    ended: Ending | None = None  # None while the run is RUNNING
    best: EpochResult | None = None


class Recorder:
    """A study's parent run and the runs of its trials.

    With `resume`, the runs that the store has of the study go on; without, it must have none.
    Raises UserError where the study's name is taken, MlflowException where the store fails.
    """

    def __init__(self, store: Store, study: StudyDescription, resume: bool) -> None:
        self._client = store.client()
        self._store = store
        self._study = study
        self._trials: dict[int, _Trial] = {}
        parent = parent_run(store, study.name)
        if parent is None:
            parent = self._begin()
        elif resume:
            self._go_on(parent)
        else:
            raise UserError(
                f"study {study.name} is already in {store}; resume it, or choose another name"
            )
        self.run_id: str = parent.info.run_id

    def record(self, event: Event | StudyEnded) -> None:
        """Put one event into MLflow, or raise and leave what was there fit for another try."""
        match event:
            case TrialStarted():
                self._trial_started(event)
            case EpochEnded():
                self._epoch_ended(event)
            case TrialEnded():
                self._trial_ended(event)
            case StudyEnded():
                self._study_ended(event)

    def _tags(self) -> dict[str, str]:
        return {
            tags.STUDY: self._study.name,
            tags.SOURCE: self._study.source,
            tags.FACES_HASH: self._study.faces_hash,
            tags.PROTOCOL: self._study.protocol,
            tags.CODE_VERSION: self._study.code_version,
            tags.SEED: str(self._study.seed),
        }

    def _begin(self) -> "Run":
        own = {tags.METRIC: self._study.metric, tags.NOTE: "\n\n".join(self._study.notes)}
        run = self._client.create_run(
            self._store.experiment_id, tags=self._tags() | own, run_name=self._study.name
        )
        try:
            self._describe(run)
        except BaseException:  # nobody can use half a study
            self._client.delete_run(run.info.run_id)
            raise
        return run

    def _go_on(self, parent: "Run") -> None:
        runs = trial_runs(self._store, parent.info.run_id)
        self._trials = {int(run.data.tags[tags.TRIAL]): _trial(run) for run in runs}
        self._describe(parent)
        self._reopen(parent.info.run_id)

    def _describe(self, parent: "Run") -> None:
        """Add what the run lacks: all of it if it is new or was cut off as it began."""
        from mlflow.entities import Param

        run_id, has = parent.info.run_id, parent.data.params
        settings = {k: v for k, v in self._study.settings.items() if v is not None and k not in has}
        self._client.log_batch(run_id, params=[Param(k, str(v)) for k, v in settings.items()])
        there = {file.path for file in self._client.list_artifacts(run_id)}
        texts = {"space.yaml": self._study.space, "command.txt": self._study.command + "\n"}
        for name in texts.keys() - there:
            self._client.log_text(run_id, texts[name], name)

    def _reopen(self, run_id: str) -> None:
        self._client.update_run(run_id, status="RUNNING")
        # A run that was cut off as it ended has no such tag.
        if tags.ENDED in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, tags.ENDED)

    def _trial_started(self, event: TrialStarted) -> None:
        from mlflow.entities import Param

        trial = self._trials.get(event.number)
        if trial is None:
            # Known from here on, lest another try make a second run.
            trial = self._trials[event.number] = _Trial(self._new_trial(event))
        elif trial.ended == "interrupted":
            self._reopen(trial.run_id)
            trial.ended = None
        if trial.ended is None:
            # Again, if need be: MLflow takes the same value twice.
            values = event.config.model_dump(mode="json").items()
            params = [Param(name, str(value)) for name, value in values]
            self._client.log_batch(trial.run_id, params=params)

    def _new_trial(self, event: TrialStarted) -> str:
        run = self._client.create_run(
            self._store.experiment_id,
            start_time=event.time,
            tags=self._tags() | {tags.PARENT: self.run_id, tags.TRIAL: str(event.number)},
            run_name=event.name,
        )
        return str(run.info.run_id)

    def _epoch_ended(self, event: EpochEnded) -> None:
        trial, result, metric = self._trials[event.number], event.result, self._study.metric
        old = trial.best.metrics[metric] if trial.best else None
        is_best = improves(metric, result.metrics[metric], old)
        if result.epoch > trial.recorded:
            best = best_metrics(result, metric) if is_best else {}
            self._log_epoch(trial, event, best)
        if is_best:
            trial.best = result

    def _log_epoch(self, trial: _Trial, event: EpochEnded, best: dict[str, float]) -> None:
        from mlflow.entities import Metric

        if trial.ended is not None:
            self._reopen(trial.run_id)
            trial.ended = None
        epoch = event.result.epoch
        values = {**event.result.metrics, tags.EPOCH: float(epoch), **best}
        batch = [Metric(name, value, event.time, epoch) for name, value in values.items()]
        self._client.log_batch(trial.run_id, metrics=batch)
        trial.recorded = epoch

    def _trial_ended(self, event: TrialEnded) -> None:
        from mlflow.entities import RunTag

        trial = self._trials[event.number]
        if trial.ended is not None:
            return
        if trial.best is not None:
            title = f"validation faces, epoch {trial.best.epoch}"
            confusion, classes = trial.best.confusion, self._study.classes
            log_confusion(self._store, trial.run_id, "confusion", confusion, classes, title)
        marks: dict[str, str] = {tags.ENDED: event.ending}
        if event.error:
            self._client.log_text(trial.run_id, event.error, "error.txt")
            marks[tags.ERROR] = event.error.strip().splitlines()[-1][:500]
        self._client.set_terminated(trial.run_id, _STATUS[event.ending], event.time)
        self._client.log_batch(trial.run_id, tags=[RunTag(k, v) for k, v in marks.items()])
        trial.ended = event.ending

    def _study_ended(self, event: StudyEnded) -> None:
        for number, trial in self._trials.items():
            if trial.ended is None:
                interrupted = TrialEnded(number=number, ending="interrupted", time=event.time)
                self._trial_ended(interrupted)
        notes = "\n\n".join([*self._study.notes, event.note]).strip()
        self._client.set_tag(self.run_id, tags.NOTE, notes)
        self._client.set_terminated(self.run_id, _STATUS[event.ending], event.time)
        self._client.set_tag(self.run_id, tags.ENDED, event.ending)


def _trial(run: "Run") -> _Trial:
    ended = cast("Ending | None", run.data.tags.get(tags.ENDED))
    if ended is None and run.info.status != "RUNNING":
        ended = "interrupted"
    return _Trial(run.info.run_id, int(run.data.metrics.get(tags.EPOCH, 0)), ended)
