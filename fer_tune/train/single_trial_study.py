"""A study of one trial, whose epochs come from outside: its event log and its runs in MLflow."""

import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from fer_tune import events
from fer_tune.common.errors import UserError
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.ranking import format_pareto_front_csv
from fer_tune.study.records import event_log
from fer_tune.study.records.settings import FILE, StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.terminal.study_summary import render_summary
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.study_run import StudyEnded


class SingleTrialStudy:
    """An open study of one trial. Every event goes into the event log first, then to MLflow."""

    def __init__(
        self,
        store: Store,
        storage: StudyStorage,
        settings: StudySettings,
        info: StudyInfo,
        *,
        resume: bool,
    ) -> None:
        self._settings, self._store = settings, store
        folder = storage.local_dir / settings.name
        earlier = list(event_log.read_events(folder))
        self._recorder = EventRecorder(store, info, resume)
        # MLflow may lack the last events of a training that was killed.
        self._recorder.record_events(earlier)
        self._trials = TrialRecords(earlier)
        self.log = event_log.EventLog(folder)
        buckets = storage.open_bucket_logs(settings.name)
        self._observers: list[events.Observer] = [self.log, self._trials, *buckets]

    def _send(self, event: events.Event) -> None:
        for observer in self._observers:
            observer.on_event(event)
        self._record(event)

    def _record(self, event: events.Event | StudyEnded) -> None:
        with self._store.explain_errors():
            self._recorder.record_events([event])

    def start(self, started: events.TrialStarted) -> None:
        """Record the start of the trial, or its resumption if it has not ended for good."""
        if not any(trial.has_final_status for trial in self._trials.to_list()):
            self._send(started)

    def record_epoch(self, result: EpochResult) -> None:
        """Record an epoch, and the trial's end after the last; none is recorded twice."""
        (trial,) = self._trials.to_list()
        if len(trial.history) < result.epoch:
            self._send(events.EpochEnded(number=trial.number, result=result))
        if result.epoch == self._settings.epochs and trial.ending is None:
            self._send(events.TrialEnded(number=trial.number, ending="finished"))

    def end(self, ending: events.Ending, error: str | None = None) -> None:
        """End the study, and the trial if it has not ended."""
        trials, metric = self._trials.to_list(), self._settings.metric
        if trials[0].ending is None:
            error = error if ending == "failed" else None
            number = trials[0].number
            self._send(events.TrialEnded(number=number, ending=ending, error=error))
        summary = render_summary(trials, self._settings)
        front = {"front.csv": format_pareto_front_csv(trials, metric, self._settings.space)}
        self._record(StudyEnded(ending, summary, events.current_time_ms(), front))


@contextmanager
def open_single_trial_study(
    store: Store,
    storage: StudyStorage,
    settings: StudySettings,
    info: StudyInfo,
    started: events.TrialStarted,
) -> Iterator[SingleTrialStudy]:
    """Begin or resume the study, and end it with the context. If it cannot begin, nothing is left.

    started: the start of its trial.
    Raises UserError if it runs already, or if MLflow or the storage fails.
    """
    resume = (storage.local_dir / settings.name / FILE).exists()
    with storage.lock_study(settings.name):
        with storage.record_settings(settings), store.explain_errors():
            study = SingleTrialStudy(store, storage, settings, info, resume=resume)
        with closing(study.log):
            study.start(started)
            try:
                yield study
            except BaseException as error:
                is_failed = isinstance(error, ArithmeticError)
                with suppress(UserError):  # the event log has the rest, for the next start
                    study.end("failed" if is_failed else "interrupted", traceback.format_exc())
                raise
            study.end("finished")
