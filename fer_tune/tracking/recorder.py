"""Records events of a study in MLflow. An event that comes again is not recorded twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_tune import events
from fer_tune.common.errors import UserError
from fer_tune.scoring.metrics import EpochResult, is_better
from fer_tune.tracking import study_run, tags
from fer_tune.tracking.confusion_matrix import log_confusion_matrix
from fer_tune.tracking.find_study_run import find_parent_run
from fer_tune.tracking.log10_parameters import compute_log10_params
from fer_tune.tracking.mlflow_metric_names import to_best_metrics, to_epoch_metrics
from fer_tune.tracking.queries import EPOCH_PARAMS, list_trial_runs, read_ending
from fer_tune.tracking.repeat_command import render_trial_note
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.study_run import StudyEnded

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

# MLflow takes 1,000 items in a batch; this leaves room for parameters and tags.
_METRICS_PER_BATCH = 900


class _TrialUpdate:
    """What happened to a trial, as MLflow is to have it.

    started: the first start; None if it came earlier.
    ended: None if the trial runs.
    """

    def __init__(self, trial_events: Sequence[events.Event]) -> None:
        self.number, last = trial_events[0].number, trial_events[-1]
        starts = (each for each in trial_events if isinstance(each, events.TrialStarted))
        self.started = next(starts, None)
        self.epochs = [each for each in trial_events if isinstance(each, events.EpochEnded)]
        self.ended = last if isinstance(last, events.TrialEnded) else None


@dataclass
class _RecordedTrial:
    run_id: str
    last_epoch: int = 0  # in MLflow
    ending: events.Ending | None = None  # None while the run is RUNNING
    best: EpochResult | None = None  # None once the trial cannot be resumed


class EventRecorder:
    """Writes a study's parent run, and the runs of its trials and of the repeats of its finalists.

    resume: continue the runs of the study that the store has. Otherwise it must have none.
    Raises UserError if the study's name is taken, MlflowException if the store fails.
    """

    def __init__(self, store: Store, study: StudyInfo, resume: bool) -> None:
        self._client, self._store, self._study = store.client, store, study
        self._trials: dict[int, _RecordedTrial] = {}
        self._unsure: set[int] = set()  # trials that may have a run whose ID is not known
        parent = find_parent_run(store, study.name)
        if parent is None or (not resume and not parent.data.params):
            self.run_id = study_run.create_study_run(store, study, replaced_run=parent)
        elif resume:
            self.run_id = parent.info.run_id
            self._trials = self._delete_duplicate_runs()
            study_run.resume_study_run(store, study, parent)
        else:
            problem = f"study {study.name} is already in {store}, but not in this --storage"
            resume_it = f"--resume {study.name} with the --storage that has it"
            raise UserError(f"{problem}; take another --study name, or {resume_it}")

    def record_events(self, new_events: Sequence[events.Event | StudyEnded]) -> None:
        """Record events in MLflow. After an exception the same call can be repeated.

        new_events: of one trial, in order, or the study's end. Many at once cost less.
        """
        others = StudyEnded | events.TrialRemarked
        if of_trial := [event for event in new_events if not isinstance(event, others)]:
            self._record_trial(_TrialUpdate(of_trial))
        for event in new_events:
            if isinstance(event, StudyEnded):
                self._end_study(event)

    def _delete_duplicate_runs(self) -> dict[int, _RecordedTrial]:
        """Return one run of each trial and of each repeat.

        Any other run is deleted. It was made when a server's answer was lost.
        """
        known, runs = {trial.run_id for trial in self._trials.values()}, dict[int, "Run"]()

        def sort_key(run: "Run") -> tuple[bool, int, int]:
            return run.info.run_id in known, len(run.data.metrics), len(run.data.params)

        for tag in (tags.TRIAL, tags.REPEAT):
            recorded = list_trial_runs(self._store, self.run_id, tag)
            for run in sorted(recorded, key=sort_key, reverse=True):
                if runs.setdefault(int(run.data.tags[tag]), run) is not run:
                    self._client.delete_run(run.info.run_id)
        return {number: _to_recorded_trial(run) for number, run in runs.items()}

    def _record_trial(self, update: _TrialUpdate) -> None:
        trial, ended = self._find_or_create_trial(update), update.ended
        metrics, best = self._collect_new_metrics(trial, update.epochs)
        if trial.ending is None or _needs_reopening(trial, update):
            if trial.ending is not None:
                study_run.reopen_run(self._store, trial.run_id)
                trial.ending = None
            if ended and ended.ending != "paused":
                self._log_artifacts(trial.run_id, ended, best)
            self._log_update(trial.run_id, update, metrics)
            epochs = [event.result.epoch for event in update.epochs]
            trial.last_epoch = max([trial.last_epoch, *epochs])
            if ended:
                status = study_run.RUN_STATUS[ended.ending]
                self._client.set_terminated(trial.run_id, status, ended.time)
                trial.ending = ended.ending
        trial.best = best if trial.ending in (None, *events.RESUMABLE_ENDINGS) else None

    def _find_or_create_trial(self, update: _TrialUpdate) -> _RecordedTrial:
        number, started = update.number, update.started
        if number not in self._trials and number in self._unsure:
            self._trials = self._delete_duplicate_runs() | self._trials
        if number in self._trials:
            return self._trials[number]
        assert started is not None
        experiment, marks = self._store.experiment_id, study_run.build_study_tags(self._study)
        marks[tags.PARENT] = self.run_id
        if started.repeat_of is None:
            marks[tags.TRIAL] = str(number)
        else:
            marks |= {tags.REPEAT: str(number), tags.REPEAT_OF: str(started.repeat_of)}
        marks[tags.NOTE] = render_trial_note(self._study, started)
        try:
            run = self._client.create_run(experiment, started.time, marks, started.name)
        except Exception:
            # The run may exist, now or later, if only the answer was lost.
            self._unsure.add(number)
            raise
        trial = self._trials[number] = _RecordedTrial(run.info.run_id)
        return trial

    def _collect_new_metrics(
        self, trial: _RecordedTrial, epochs: Sequence[events.EpochEnded]
    ) -> "tuple[list[Metric], EpochResult | None]":
        """Return the metrics that are not recorded yet, and the best epoch of the trial."""
        from mlflow.entities import Metric

        name, best, recorded = self._study.metric, trial.best, trial.last_epoch
        metrics: list[Metric] = []
        for event in epochs:
            result = event.result
            values = to_epoch_metrics(result)
            if is_better(name, result.metrics[name], best.metrics[name] if best else None):
                best = result
                # The score comes first: MLflow's comparison of runs begins with it.
                values = to_best_metrics(result, name) | values
            if result.epoch > recorded:
                recorded = result.epoch
                metrics += [Metric(k, v, event.time, result.epoch) for k, v in values.items()]
        return metrics, best

    def _log_update(self, run_id: str, update: _TrialUpdate, metrics: "Sequence[Metric]") -> None:
        """Log metrics, parameters and tags; the tag that marks the trial as ended comes last."""
        from mlflow.entities import Param, RunTag

        started, ended, marks = update.started, update.ended, dict[str, str]()
        # Parameters that the trial does not have are left out; they read back as the baseline's.
        config = (
            started.config.model_dump(mode="json", exclude={*started.absent}) if started else {}
        )
        if started and started.steps_per_epoch:
            config |= {name: getattr(started, name) for name in EPOCH_PARAMS}
        if ended:
            marks[tags.ENDED] = events.STATUS_WORDS[ended.ending]
            if ended.error:
                marks[tags.ERROR] = ended.error.strip().splitlines()[-1][:500]
        while len(metrics) > _METRICS_PER_BATCH:
            self._client.log_batch(run_id, metrics=metrics[:_METRICS_PER_BATCH])
            metrics = metrics[_METRICS_PER_BATCH:]
        if metrics or config or marks:
            config |= compute_log10_params(config, self._study.log_parameters)
            params = [Param(name, str(value)) for name, value in config.items()]
            batch = [RunTag(name, mark) for name, mark in marks.items()]
            self._client.log_batch(run_id, metrics, params, batch)

    def _log_artifacts(self, run_id: str, end: events.TrialEnded, best: EpochResult | None) -> None:
        if best is not None:
            title, classes = f"validation split, epoch {best.epoch}", self._study.classes
            log_confusion_matrix(self._store, run_id, "confusion", best.confusion, classes, title)
        if end.error:
            self._client.log_text(run_id, end.error, "error.txt")

    def _end_study(self, event: StudyEnded) -> None:
        for number, trial in self._trials.items():
            if trial.ending is None:
                end = events.TrialEnded(number=number, ending="interrupted", time=event.time)
                self._record_trial(_TrialUpdate([end]))
        self._delete_duplicate_runs()  # also those that a killed driver has requested
        study_run.end_study_run(self._store, self._study, self.run_id, event)


def _needs_reopening(trial: _RecordedTrial, update: _TrialUpdate) -> bool:
    """Return whether the update has something new about a trial that has ended."""
    has_new_epoch = any(event.result.epoch > trial.last_epoch for event in update.epochs)
    if has_new_epoch or trial.ending not in events.RESUMABLE_ENDINGS:
        return has_new_epoch
    if update.ended is None:
        return update.started is not None
    return update.ended.ending not in events.RESUMABLE_ENDINGS


def _to_recorded_trial(run: "Run") -> _RecordedTrial:
    ending = None if run.info.status == "RUNNING" else read_ending(run) or "interrupted"
    return _RecordedTrial(run.info.run_id, int(run.data.metrics.get(tags.EPOCH, 0)), ending)
