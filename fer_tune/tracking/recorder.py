"""Events put into MLflow; each may come again without being recorded twice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fer_tune.common.errors import UserError
from fer_tune.events import (
    RESUMABLE_ENDINGS,
    STATUS_WORDS,
    Ending,
    EpochEnded,
    Event,
    TrialEnded,
    TrialRemarked,
    TrialStarted,
)
from fer_tune.scoring.metrics import EpochResult, is_better
from fer_tune.tracking import study_run, tags
from fer_tune.tracking.confusion_matrix import log_confusion_matrix
from fer_tune.tracking.metric_names import to_best_metrics, to_epoch_metrics
from fer_tune.tracking.queries import find_parent_run, list_trial_runs, read_ending
from fer_tune.tracking.run_info import StudyInfo
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_run import StudyEnded

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

# MLflow takes a thousand things at once; this leaves room for parameters and tags.
_METRICS_PER_BATCH = 900


@dataclass
class TrialSegment:
    """Of what happened to a trial, a stretch from its start or a going on to its next ending.

    Either end may be missing: it was recorded before, or is still to come.
    """

    number: int
    started: TrialStarted | None = None
    epochs: list[EpochEnded] = field(default_factory=list)
    ended: TrialEnded | None = None


def split_segments(events: Iterable[Event]) -> Iterator[TrialSegment]:
    """The events of one trial, in order, as few parts."""
    part: TrialSegment | None = None
    for event in events:
        if isinstance(event, TrialRemarked):
            continue
        if part and (part.ended or isinstance(event, TrialStarted)):
            yield part
            part = None
        part = part or TrialSegment(event.number)
        match event:
            case TrialStarted():
                part.started = event
            case EpochEnded():
                part.epochs.append(event)
            case TrialEnded():
                part.ended = event
    if part:
        yield part


@dataclass
class _RecordedTrial:
    run_id: str
    last_epoch: int = 0  # the last epoch in MLflow
    ending: Ending | None = None  # None while the run is RUNNING
    best: EpochResult | None = None  # not of one that will not go on


class EventRecorder:
    """A study's parent run and the runs of its trials.

    With `resume`, the runs that the store has of the study go on; without, it must have none.
    Raises UserError where the study's name is taken, MlflowException where the store fails.
    """

    def __init__(self, store: Store, study: StudyInfo, resume: bool) -> None:
        self._client, self._store, self._study = store.create_client(), store, study
        self._trials: dict[int, _RecordedTrial] = {}
        self._unsure: set[int] = set()  # trials of which a run may be there unknown to us
        self._may_have_doubles = resume  # of what a driver asked for before it was killed
        parent = find_parent_run(store, study.name)
        if parent is None or (not resume and not parent.data.params):
            self.run_id = study_run.create_study_run(store, study, replaced_run=parent)
        elif resume:
            self.run_id = parent.info.run_id
            self._trials = self._delete_duplicate_runs(self.run_id)
            study_run.resume_study_run(store, study, parent)
        else:
            raise UserError(
                f"study {study.name} is already in {store}, but not in this --storage; take "
                f"another --study name, or --resume {study.name} with the --storage that has it"
            )

    def record_events(self, events: Sequence[Event | StudyEnded]) -> None:
        """Put events into MLflow, or raise and leave what was there fit for another try.

        events: of one trial, in order, or the study's end. The more at once, the less each costs.
        """
        for part in split_segments(event for event in events if not isinstance(event, StudyEnded)):
            self._record_segment(part)
        for event in events:
            if isinstance(event, StudyEnded):
                self._end_study(event)

    def _delete_duplicate_runs(self, parent_id: str) -> dict[int, _RecordedTrial]:
        """The one run of each trial; what else a server made, its answer lost, is deleted."""
        ours, runs = {trial.run_id for trial in self._trials.values()}, dict[int, "Run"]()

        def rank_run(run: "Run") -> tuple[bool, int, int]:
            return run.info.run_id in ours, len(run.data.metrics), len(run.data.params)

        for run in sorted(list_trial_runs(self._store, parent_id), key=rank_run, reverse=True):
            if runs.setdefault(int(run.data.tags[tags.TRIAL]), run) is not run:
                self._client.delete_run(run.info.run_id)
        return {number: _to_recorded_trial(run) for number, run in runs.items()}

    def _record_segment(self, segment: TrialSegment) -> None:
        if segment.number not in self._trials and segment.number in self._unsure:
            self._trials = self._delete_duplicate_runs(self.run_id) | self._trials
        trial = self._trials.get(segment.number)
        if trial is None:
            assert segment.started is not None
            # Known from here on, lest another try make a second run.
            trial = self._trials[segment.number] = _RecordedTrial(
                self._create_trial_run(segment.started)
            )
        metrics, best = self._collect_new_metrics(trial, segment.epochs)
        if trial.ending is not None:
            if not _needs_reopening(trial, segment):
                trial.best = best if trial.ending in RESUMABLE_ENDINGS else None
                return
            study_run.reopen_run(self._client, trial.run_id)
            trial.ending = None
        if segment.ended and segment.ended.ending != "paused":
            self._log_artifacts(trial.run_id, segment.ended, best)
        self._log_segment(trial.run_id, segment, metrics)
        trial.best = best
        trial.last_epoch = max(
            [trial.last_epoch, *(event.result.epoch for event in segment.epochs)]
        )
        if segment.ended:
            ending = segment.ended.ending
            self._client.set_terminated(
                trial.run_id, study_run.RUN_STATUS[ending], segment.ended.time
            )
            trial.ending, trial.best = ending, best if ending in RESUMABLE_ENDINGS else None

    def _create_trial_run(self, event: TrialStarted) -> str:
        try:
            own = {tags.PARENT: self.run_id, tags.TRIAL: str(event.number)}
            run = self._client.create_run(
                self._store.experiment_id,
                start_time=event.time,
                tags=study_run.build_study_tags(self._study) | own,
                run_name=event.name,
            )
        except Exception:
            # It may be made nevertheless, and later than another: the answer alone was lost.
            self._unsure.add(event.number)
            self._may_have_doubles = True
            raise
        return str(run.info.run_id)

    def _collect_new_metrics(
        self, trial: _RecordedTrial, epochs: Sequence[EpochEnded]
    ) -> "tuple[list[Metric], EpochResult | None]":
        """The metrics of those epochs that are not recorded yet, and the best epoch of all."""
        from mlflow.entities import Metric

        name, best, recorded = self._study.metric, trial.best, trial.last_epoch
        metrics: list[Metric] = []
        for event in epochs:
            result = event.result
            values = to_epoch_metrics(result)
            if is_better(name, result.metrics[name], best.metrics[name] if best else None):
                best = result
                # First: MLflow's page of compared runs begins with the first metric of each.
                values = to_best_metrics(result, name) | values
            if result.epoch > recorded:
                recorded = result.epoch
                # Last what tells that the epoch is recorded.
                values[tags.EPOCH] = values.pop(tags.EPOCH)
                metrics += [Metric(k, v, event.time, result.epoch) for k, v in values.items()]
        return metrics, best

    def _log_segment(self, run_id: str, segment: TrialSegment, metrics: "Sequence[Metric]") -> None:
        """Parameters first, and last the mark of what is complete."""
        from mlflow.entities import Param, RunTag

        params = [Param(k, str(v)) for k, v in _to_params(segment.started).items()]
        marks: dict[str, str] = (
            {tags.ENDED: STATUS_WORDS[segment.ended.ending]} if segment.ended else {}
        )
        if segment.ended and segment.ended.error:
            marks[tags.ERROR] = segment.ended.error.strip().splitlines()[-1][:500]
        while len(metrics) > _METRICS_PER_BATCH:
            self._client.log_batch(run_id, metrics=metrics[:_METRICS_PER_BATCH])
            metrics = metrics[_METRICS_PER_BATCH:]
        if metrics or params or marks:
            batch = [RunTag(name, mark) for name, mark in marks.items()]
            self._client.log_batch(run_id, metrics, params, batch)

    def _log_artifacts(self, run_id: str, event: TrialEnded, best: EpochResult | None) -> None:
        if best is not None:
            title = f"validation faces, epoch {best.epoch}"
            classes = self._study.classes
            log_confusion_matrix(self._store, run_id, "confusion", best.confusion, classes, title)
        if event.error:
            self._client.log_text(run_id, event.error, "error.txt")

    def _end_study(self, event: StudyEnded) -> None:
        for number, trial in self._trials.items():
            if trial.ending is None:
                interrupted = TrialEnded(number=number, ending="interrupted", time=event.time)
                self._record_segment(TrialSegment(number, ended=interrupted))
        if self._may_have_doubles:
            self._delete_duplicate_runs(self.run_id)
        study_run.end_study_run(self._store, self._study, self.run_id, event)


def _to_params(started: TrialStarted | None) -> dict[str, Any]:
    """The configuration of a trial, but for what it does not have: reading it back, the paper's."""
    return started.config.model_dump(mode="json", exclude={*started.absent}) if started else {}


def _needs_reopening(trial: _RecordedTrial, segment: TrialSegment) -> bool:
    """Whether the part tells of more than what is recorded of a trial that has ended."""
    if any(event.result.epoch > trial.last_epoch for event in segment.epochs):
        return True
    if trial.ending not in RESUMABLE_ENDINGS:
        return False
    if segment.ended is None:
        return segment.started is not None
    return segment.ended.ending not in RESUMABLE_ENDINGS


def _to_recorded_trial(run: "Run") -> _RecordedTrial:
    ending = None if run.info.status == "RUNNING" else read_ending(run) or "interrupted"
    return _RecordedTrial(run.info.run_id, int(run.data.metrics.get(tags.EPOCH, 0)), ending)
