"""Events put into MLflow; each may come again without being recorded twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fer_tune.errors import UserError
from fer_tune.events import Ending, EpochEnded, Event, TrialEnded, TrialStarted
from fer_tune.tracking import tags
from fer_tune.tracking.best import best_metrics, epoch_metrics
from fer_tune.tracking.description import StudyDescription
from fer_tune.tracking.figures import log_confusion
from fer_tune.tracking.parts import Part, StudyEnded, parts
from fer_tune.tracking.store import Store
from fer_tune.tracking.studies import parent_run, trial_runs
from fer_tune.training.metrics import EpochResult, improves

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}

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
            parent = self._begin(instead_of=parent)
        elif resume:
            self._go_on(parent)
        else:
            raise UserError(
                f"study {study.name} is already in {store}; resume it, or choose another name"
            )
        self.run_id: str = parent.info.run_id

    def record(self, events: Sequence[Event | StudyEnded]) -> None:
        """Put events into MLflow, or raise and leave what was there fit for another try.

        events: of one trial, in order, or the study's end. The more at once, the less each costs.
        """
        for part in parts(event for event in events if not isinstance(event, StudyEnded)):
            self._record_part(part)
        for event in events:
            if isinstance(event, StudyEnded):
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

    def _begin(self, instead_of: "Run | None") -> "Run":
        """A new run; `instead_of` one that was cut off as it began, or is another's beginning."""
        if instead_of is not None:
            self._client.set_terminated(instead_of.info.run_id, "KILLED")
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
        self._trials = self._found(parent.info.run_id)
        self._describe(parent)
        self._reopen(parent.info.run_id)

    def _describe(self, parent: "Run") -> None:
        """Add what the run lacks: all of it if it is new or was cut off as it began.

        Parameters last: a run that has them is complete.
        """
        from mlflow.entities import Param

        run_id, has = parent.info.run_id, parent.data.params
        there = {file.path for file in self._client.list_artifacts(run_id)}
        texts = {"space.yaml": self._study.space, "command.txt": self._study.command + "\n"}
        for name in texts.keys() - there:
            self._client.log_text(run_id, texts[name], name)
        settings = {k: v for k, v in self._study.settings.items() if v is not None and k not in has}
        self._client.log_batch(run_id, params=[Param(k, str(v)) for k, v in settings.items()])

    def _reopen(self, run_id: str) -> None:
        self._client.update_run(run_id, status="RUNNING")
        # A run that was cut off as it ended has no such tag.
        if tags.ENDED in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, tags.ENDED)

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
                trial.best = best if trial.ended == "interrupted" else None
                return
            self._reopen(trial.run_id)
            trial.ended = None
        if part.ended:
            self._log_files(trial.run_id, part.ended, best)
        self._log(trial.run_id, part, metrics)
        trial.best = best
        trial.recorded = max([trial.recorded, *(event.result.epoch for event in part.epochs)])
        if part.ended:
            ending = part.ended.ending
            self._client.set_terminated(trial.run_id, _STATUS[ending], part.ended.time)
            trial.ended, trial.best = ending, best if ending == "interrupted" else None

    def _new_trial(self, event: TrialStarted) -> str:
        try:
            run = self._client.create_run(
                self._store.experiment_id,
                start_time=event.time,
                tags=self._tags() | {tags.PARENT: self.run_id, tags.TRIAL: str(event.number)},
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
                values |= best_metrics(result, name)
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
        notes = "\n\n".join([*self._study.notes, event.note]).strip()
        self._client.set_tag(self.run_id, tags.NOTE, notes)
        if event.front:
            self._client.log_text(self.run_id, event.front, "front.csv")
        self._client.set_terminated(self.run_id, _STATUS[event.ending], event.time)
        self._client.set_tag(self.run_id, tags.ENDED, event.ending)


def _settings(started: TrialStarted | None) -> dict[str, Any]:
    """The configuration of a trial, but for what it does not have: reading it back, the paper's."""
    return started.config.model_dump(mode="json", exclude={*started.absent}) if started else {}


def _goes_on(trial: _Trial, part: Part) -> bool:
    """Whether the part tells of more than what is recorded of a trial that has ended."""
    if any(event.result.epoch > trial.recorded for event in part.epochs):
        return True
    if trial.ended != "interrupted" or part.started is None:
        return False
    return part.ended is None or part.ended.ending != "interrupted"


def _trial(run: "Run") -> _Trial:
    ended = None
    if run.info.status != "RUNNING":
        ended = cast("Ending", run.data.tags.get(tags.ENDED, "interrupted"))
    return _Trial(run.info.run_id, int(run.data.metrics.get(tags.EPOCH, 0)), ended)
