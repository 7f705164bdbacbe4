"""Events put into MLflow; each may come again without being recorded twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fer_tune.common.errors import UserError
from fer_tune.events import MAY_GO_ON, Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.scoring.metrics import EpochResult, improves
from fer_tune.tracking import study_run, tags
from fer_tune.tracking.confusion_matrix import log_confusion
from fer_tune.tracking.metric_names import best_metrics, epoch_metrics
from fer_tune.tracking.parts import Part, StudyEnded, parts
from fer_tune.tracking.queries import parent_run, trial_runs
from fer_tune.tracking.run_info import StudyDescription
from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

# MLflow takes a thousand things at once; this leaves room for parameters and tags.
_METRICS_AT_ONCE = 900


@dataclass
class _Trial:
    run_id: str
    recorded: int = 0  # the last epoch in MLflow
    ended: Ending | None = None  # None while the run is RUNNING
    best: EpochResult | None = None  # not of one that will not go on


class Recorder:
    """A study's parent run and the runs of its trials.

    With `resume`, the runs that the store has of the study go on; without, it must have none.
    Raises UserError where the study's name is taken, MlflowException where the store fails.
    """

    def __init__(self, store: Store, study: StudyDescription, resume: bool) -> None:
        self._client, self._store, self._study = store.client(), store, study
        self._trials: dict[int, _Trial] = {}
        self._unsure: set[int] = set()  # trials of which a run may be there unknown to us
        self._may_have_doubles = resume  # of what a driver asked for before it was killed
        parent = parent_run(store, study.name)
        if parent is None or (not resume and not parent.data.params):
            self.run_id = study_run.begin(store, study, instead_of=parent)
        elif resume:
            self.run_id = parent.info.run_id
            self._trials = self._found(self.run_id)
            study_run.go_on(store, study, parent)
        else:
            raise UserError(
                f"study {study.name} is already in {store}, but not in this --storage; take "
                f"another --study name, or --resume {study.name} with the --storage that has it"
            )

    def record(self, events: Sequence[Event | StudyEnded]) -> None:
        """Put events into MLflow, or raise and leave what was there fit for another try.

        events: of one trial, in order, or the study's end. The more at once, the less each costs.
        """
        for part in parts(event for event in events if not isinstance(event, StudyEnded)):
            self._record_part(part)
        for event in events:
            if isinstance(event, StudyEnded):
                self._study_ended(event)

    def _found(self, parent_id: str) -> dict[int, _Trial]:
        """The one run of each trial; what else a server made, its answer lost, is deleted."""
        ours, runs = {trial.run_id for trial in self._trials.values()}, dict[int, "Run"]()

        def worth(run: "Run") -> tuple[bool, int, int]:
            return run.info.run_id in ours, len(run.data.metrics), len(run.data.params)

        for run in sorted(trial_runs(self._store, parent_id), key=worth, reverse=True):
            if runs.setdefault(int(run.data.tags[tags.TRIAL]), run) is not run:
                self._client.delete_run(run.info.run_id)
        return {number: _trial(run) for number, run in runs.items()}

    def _record_part(self, part: Part) -> None:
        if part.number not in self._trials and part.number in self._unsure:
            self._trials = self._found(self.run_id) | self._trials
        trial = self._trials.get(part.number)
        if trial is None:
            assert part.started is not None
            # Known from here on, lest another try make a second run.
            trial = self._trials[part.number] = _Trial(self._new_trial(part.started))
        metrics, best = self._metrics(trial, part.epochs)
        if trial.ended is not None:
            if not _goes_on(trial, part):
                trial.best = best if trial.ended in MAY_GO_ON else None
                return
            study_run.reopen(self._client, trial.run_id)
            trial.ended = None
        if part.ended and part.ended.ending != "paused":
            self._log_files(trial.run_id, part.ended, best)
        self._log(trial.run_id, part, metrics)
        trial.best = best
        trial.recorded = max([trial.recorded, *(event.result.epoch for event in part.epochs)])
        if part.ended:
            ending = part.ended.ending
            self._client.set_terminated(trial.run_id, study_run.STATUS[ending], part.ended.time)
            trial.ended, trial.best = ending, best if ending in MAY_GO_ON else None

    def _new_trial(self, event: TrialStarted) -> str:
        try:
            own = {tags.PARENT: self.run_id, tags.TRIAL: str(event.number)}
            run = self._client.create_run(
                self._store.experiment_id,
                start_time=event.time,
                tags=study_run.study_tags(self._study) | own,
                run_name=event.name,
            )
        except Exception:
            # It may be made nevertheless, and later than another: the answer alone was lost.
            self._unsure.add(event.number)
            self._may_have_doubles = True
            raise
        return str(run.info.run_id)

    def _metrics(
        self, trial: _Trial, epochs: Sequence[EpochEnded]
    ) -> "tuple[list[Metric], EpochResult | None]":
        """The metrics of those epochs that are not recorded yet, and the best epoch of all."""
        from mlflow.entities import Metric

        name, best, recorded = self._study.metric, trial.best, trial.recorded
        metrics: list[Metric] = []
        for event in epochs:
            result = event.result
            values = epoch_metrics(result)
            if improves(name, result.metrics[name], best.metrics[name] if best else None):
                best = result
                # First: MLflow's page of compared runs begins with the first metric of each.
                values = best_metrics(result, name) | values
            if result.epoch > recorded:
                recorded = result.epoch
                # Last what tells that the epoch is recorded.
                values[tags.EPOCH] = values.pop(tags.EPOCH)
                metrics += [Metric(k, v, event.time, result.epoch) for k, v in values.items()]
        return metrics, best

    def _log(self, run_id: str, part: Part, metrics: "Sequence[Metric]") -> None:
        """Parameters first, and last the mark of what is complete."""
        from mlflow.entities import Param, RunTag

        params = [Param(k, str(v)) for k, v in _settings(part.started).items()]
        marks: dict[str, str] = {tags.ENDED: part.ended.ending} if part.ended else {}
        if part.ended and part.ended.error:
            marks[tags.ERROR] = part.ended.error.strip().splitlines()[-1][:500]
        while len(metrics) > _METRICS_AT_ONCE:
            self._client.log_batch(run_id, metrics=metrics[:_METRICS_AT_ONCE])
            metrics = metrics[_METRICS_AT_ONCE:]
        if metrics or params or marks:
            batch = [RunTag(name, mark) for name, mark in marks.items()]
            self._client.log_batch(run_id, metrics, params, batch)

    def _log_files(self, run_id: str, event: TrialEnded, best: EpochResult | None) -> None:
        if best is not None:
            title = f"validation faces, epoch {best.epoch}"
            classes = self._study.classes
            log_confusion(self._store, run_id, "confusion", best.confusion, classes, title)
        if event.error:
            self._client.log_text(run_id, event.error, "error.txt")

    def _study_ended(self, event: StudyEnded) -> None:
        for number, trial in self._trials.items():
            if trial.ended is None:
                interrupted = TrialEnded(number=number, ending="interrupted", time=event.time)
                self._record_part(Part(number, ended=interrupted))
        if self._may_have_doubles:
            self._found(self.run_id)
        study_run.end(self._store, self._study, self.run_id, event)


def _settings(started: TrialStarted | None) -> dict[str, Any]:
    """The configuration of a trial, but for what it does not have: reading it back, the paper's."""
    return started.config.model_dump(mode="json", exclude={*started.absent}) if started else {}


def _goes_on(trial: _Trial, part: Part) -> bool:
    """Whether the part tells of more than what is recorded of a trial that has ended."""
    if any(event.result.epoch > trial.recorded for event in part.epochs):
        return True
    if trial.ended not in MAY_GO_ON:
        return False
    if part.ended is None:
        return part.started is not None
    return part.ended.ending not in MAY_GO_ON


def _trial(run: "Run") -> _Trial:
    ended = None
    if run.info.status != "RUNNING":
        ended = cast("Ending", run.data.tags.get(tags.ENDED, "interrupted"))
    return _Trial(run.info.run_id, int(run.data.metrics.get(tags.EPOCH, 0)), ended)
