"""A study as it happens, recorded in MLflow by one thread."""

import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from fer_tune.common.errors import UserError
from fer_tune.events import Ending, Event, current_time_ms
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.run_info import StudyInfo
from fer_tune.tracking.store import Store, stop_retries, summarize_error
from fer_tune.tracking.study_run import StudyEnded

_GATHER_SECONDS = 1.0  # seconds in which events gather: what is written at once costs less
_MAX_EVENTS = 500  # events in memory
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0  # seconds between two tries of a store that fails
_PROGRESS_SECONDS = 5.0  # seconds that close() waits between two lines about what is left
_SILENCE_SECONDS = 10.0  # seconds without an answer after which it waits no longer

_NO_ANSWER = "it does not answer as it should"

# Statuses below 500 of a server that is not fit, or not yet: it has refused nothing for good.
_RETRYABLE_STATUSES = (401, 403, 408, 429)


class EventSource(Protocol):
    """Where a study's events are kept, in order, whatever becomes of the store."""

    def read_next(self, limit: int) -> Sequence[Event]:
        """The next events, at most so many; fewer where there are no more yet."""
        ...

    def count_unread(self) -> int:
        """How many events there are that were not read yet."""
        ...


class StudyWriter:
    """Tells MLflow of one study; every call but the constructor and `close` returns at once.

    A store that fails later on does not disturb the study: it is told once on stderr, what could
    not be written stays in `source` and is tried again, in order, and `close` says what is still
    missing.

    source: of all the study's events. Of a resumed study too: what is recorded already is not
        recorded twice.
    resume: go on in the runs that the store has of this study.
    Raises UserError where the store cannot be written to or, without `resume`, has the study.
    """

    def __init__(
        self, store: Store, study: StudyInfo, source: EventSource, resume: bool = False
    ) -> None:
        from mlflow.exceptions import MlflowException

        self._store, self._source = store, source
        stop_retries()
        try:
            self._recorder = EventRecorder(store, study, resume)
        except (MlflowException, OSError) as error:
            raise UserError(f"tracking store {store}: {summarize_error(error)}") from error
        self.run_id = self._recorder.run_id
        self._pending: deque[list[Event | StudyEnded]] = deque()  # each of one trial
        self._more, self._closing, self._given_up = (threading.Event() for _ in range(3))
        self._ending: StudyEnded | None = None
        self._is_over = False  # the ending was put into _pending
        self._lost = 0
        self._failure = _NO_ANSWER
        self._has_told = False
        self._fails, self._pause = False, _FIRST_PAUSE
        self._answered = time.monotonic()
        self._more.set()
        self._thread = threading.Thread(
            target=self._write_until_closed, name="mlflow-writer", daemon=True
        )
        self._thread.start()

    def on_event(self, event: Event) -> None:
        """As an observer of the study (`fer_tune.events.Observer`), once `source` has the event."""
        self._more.set()

    def close(self, ending: Ending, summary: str = "", pareto_front_csv: str = "") -> str | None:
        """Write what is left, then end every run that is open.

        note, front: see `StudyEnded`.
        Returns one line about what could not be recorded, or None. Waits as long as the store
        takes what it is given, but some seconds only where it fails or is silent. A second call
        does nothing.
        """
        if self._ending is None:
            self._answered = time.monotonic()
            self._ending = StudyEnded(ending, summary, current_time_ms(), pareto_front_csv)
            self._closing.set()
            self._more.set()
            self._wait_until_written(
                _PROGRESS_SECONDS if ending == "interrupted" else _SILENCE_SECONDS
            )
        left = self._count_unwritten()
        if left:
            return (
                f"{self._store}: {left + self._lost} records are missing there ({self._failure}); "
                "resume the study to add them"
            )
        if self._lost:
            return f"{self._store}: {self._lost} records are missing there ({self._failure})"
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What the user can put right the study goes on from.
        goes_on = isinstance(error, KeyboardInterrupt | UserError)
        self.close("interrupted" if goes_on else "failed")

    def _wait_until_written(self, silence: float) -> None:
        """Until all is recorded, or the store has recorded nothing for seconds."""
        try:
            self._thread.join(_PROGRESS_SECONDS)
            while self._thread.is_alive():
                most = _PROGRESS_SECONDS if self._fails else silence
                if time.monotonic() - self._answered > most - 0.1:
                    return
                print(
                    f"{self._store}: {self._count_unwritten()} records left to write",
                    file=sys.stderr,
                )
                self._thread.join(_PROGRESS_SECONDS)
        finally:
            self._given_up.set()

    def _count_unwritten(self) -> int:
        """Counted with the study's end, which is a record too."""
        ending = self._ending is not None and not self._is_over
        return sum(map(len, list(self._pending))) + self._source.count_unread() + ending

    def _write_until_closed(self) -> None:
        while not self._is_over and not self._given_up.is_set():
            self._more.wait()
            self._more.clear()
            self._closing.wait(_GATHER_SECONDS)
            while not self._write_pending() and not self._given_up.is_set():
                self._wait_before_retry()

    def _write_pending(self) -> bool:
        """Record all there is; False where the rest has to be tried again later."""
        try:
            while self._fill_pending() and not self._given_up.is_set():
                self._record_first_trial()
        except Exception as error:  # whatever it is, the study goes on
            self._report_failure(error)
            self._fails = True
            return False
        return True

    def _fill_pending(self) -> bool:
        """Whether there is something to record; no more is read before all that was is recorded."""
        ending = self._ending  # looked at before what is then the last of the events
        if not self._pending:
            by_trial: dict[int, list[Event | StudyEnded]] = {}
            for event in self._source.read_next(_MAX_EVENTS):
                by_trial.setdefault(event.number, []).append(event)
            self._pending.extend(by_trial.values())
        if not self._pending and ending and not self._is_over:
            self._pending.append([ending])
            self._is_over = True
        return bool(self._pending)

    def _record_first_trial(self) -> None:
        """Record what is pending of one trial, without those events that are refused."""
        events = self._pending[0]
        at_once = len(events)
        while events:
            try:
                self._recorder.record_events(events[:at_once])
            except Exception as error:
                if _is_retryable(error):
                    raise
                self._report_failure(error)
                if at_once > 1:  # lose no more than the one to blame
                    at_once = 1
                    continue
                self._lost += 1
            del events[:at_once]
            self._answered = time.monotonic()
            self._fails, self._pause = False, _FIRST_PAUSE
        self._pending.popleft()

    def _wait_before_retry(self) -> None:
        """Until it is time for another try; no longer than a moment while the study closes."""
        if self._closing.is_set():
            self._given_up.wait(_FIRST_PAUSE)
        else:
            self._closing.wait(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _report_failure(self, error: Exception) -> None:
        unreached = isinstance(error.__cause__ or error.__context__, OSError)
        self._failure = _NO_ANSWER if unreached else summarize_error(error)
        if not self._has_told:
            told = f"{self._store}: {self._failure}; the study goes on, its record is kept"
            print(f"{told} and tried again", file=sys.stderr)
            self._has_told = True


def _is_retryable(error: Exception) -> bool:
    """Whether trying again can help: the server or the disk failed, not what was sent."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
        if error.error_code == "ENDPOINT_NOT_FOUND":  # of a proxy whose server is gone
            return True
    elif isinstance(error, OSError):  # an upload's has the server's answer
        status = getattr(getattr(error, "response", None), "status_code", 500)
    else:
        return False
    return status >= 500 or status in _RETRYABLE_STATUSES
