"""A thread that records the events of a running study in MLflow and retries if the store fails."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, Self

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import pluralize
from fer_tune.events import Ending, Event, current_time_ms
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store, stop_retries, summarize_error
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.study_run import StudyEnded

_GATHER_SECONDS = 1.0  # events of this time are written together, which costs less
_MAX_EVENTS = 500  # events in memory
_RETRY_SECONDS = 1.0  # between two tries if the store fails
_PROGRESS_SECONDS = 5.0  # between two lines about what is left, while close() waits
_SILENCE_SECONDS = 10.0  # without a success; then close() gives up

_NO_ANSWER = "it does not answer as it should"

# Statuses below 500 with which a server, or a proxy before it, refuses a request only for now.
_RETRYABLE_STATUSES = (401, 403, 408, 429)


class EventSource(Protocol):
    """Lasting record of a study's events, read in order."""

    def read_next(self, limit: int) -> Sequence[Event]:
        """Return the next events, at most `limit`; fewer if there are no more yet."""

    def count_unread(self) -> int:
        """Return the number of events that have not been read."""


class BackgroundWriter:
    """Records one study in MLflow. All methods but the constructor and `close` return at once.

    A store that fails does not disturb the study. The failure is printed once on stderr. What could
    not be written is tried again in order, and `close` says in the end how much is missing.

    source: all events of the study. Events that are recorded already are not recorded twice.
    resume: continue the runs of the study that the store has.
    Raises UserError if the store cannot be written to, or has the study without `resume`.
    """

    def __init__(
        self, store: Store, study: StudyInfo, source: EventSource, resume: bool = False
    ) -> None:
        self._store, self._source = store, source
        stop_retries()
        with store.explain_errors():
            self._recorder = EventRecorder(store, study, resume)
        self.run_id = self._recorder.run_id
        self._wake_up, self._closing, self._give_up = (threading.Event() for _ in range(3))
        self._ending: StudyEnded | None = None
        self._has_written_all = False
        self._unwritten = 1  # events that were read but not recorded, and the study's end
        self._failure: str | None = None  # the last one
        self._last_success = time.monotonic()
        self._wake_up.set()
        self._thread = threading.Thread(target=self._run, name="mlflow-writer", daemon=True)
        self._thread.start()

    def on_event(self, event: Event) -> None:
        """Wake the thread; `source` has the event already (see `fer_tune.events.Observer`)."""
        self._wake_up.set()

    def close(self, ending: Ending, summary: str = "", files: Mapping[str, str] = {}) -> str | None:
        """Write what is left, then end every open run. A second call does nothing.

        Waits while the store accepts what is sent, but only seconds if it fails or is silent.

        summary, files: see `StudyEnded`.
        Returns one line if events could not be recorded, or None.
        """
        if self._ending is None:
            self._last_success = time.monotonic()
            self._ending = StudyEnded(ending, summary, current_time_ms(), files)
            self._closing.set()
            self._wake_up.set()
            interrupted = ending == "interrupted"
            self._wait_until_written(_PROGRESS_SECONDS if interrupted else _SILENCE_SECONDS)
        count = self._count_missing()
        if not count:
            return None
        advice = "" if self._has_written_all else "; resume the study to add them"
        missing = f"{pluralize(count, 'record')} {'is' if count == 1 else 'are'} missing there"
        return f"{self._store}: {missing} ({self._failure or _NO_ANSWER}){advice}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # After these the study can be resumed.
        is_resumable = isinstance(error, KeyboardInterrupt | UserError)
        self.close("interrupted" if is_resumable else "failed")

    def _wait_until_written(self, silence: float) -> None:
        """Wait until all is recorded, or for `silence` seconds without success."""
        try:
            self._thread.join(_PROGRESS_SECONDS)
            while self._thread.is_alive() and time.monotonic() < self._last_success + silence - 0.1:
                left = pluralize(self._count_missing(), "record")
                print(f"{self._store}: {left} to write", file=sys.stderr)
                self._thread.join(_PROGRESS_SECONDS)
        finally:
            self._give_up.set()

    def _count_missing(self) -> int:
        return self._unwritten + self._source.count_unread()

    def _run(self) -> None:
        try:
            for events in self._read_batches():
                self._record_batch(events)
            self._has_written_all = not self._give_up.is_set()
        except Exception as error:  # the source cannot be read; this may not end the study
            self._warn_once(error)

    def _read_batches(self) -> Iterator[list[Event | StudyEnded]]:
        """Yield events of one trial, in order, as they come; at last, the end of the study."""
        ending: StudyEnded | None = None
        while ending is None:
            self._wake_up.wait()
            self._wake_up.clear()
            self._closing.wait(_GATHER_SECONDS)
            ending = self._ending  # looked up before reading: no event comes after it
            while events := self._source.read_next(_MAX_EVENTS):
                self._unwritten += len(events)
                by_trial: dict[int, list[Event | StudyEnded]] = {}
                for event in events:
                    by_trial.setdefault(event.number, []).append(event)
                yield from by_trial.values()
        yield [ending]

    def _record_batch(self, events: list[Event | StudyEnded]) -> None:
        """Record events, and try again until it succeeds; drop those that the store refuses."""
        count = len(events)
        while events and not self._give_up.is_set():
            try:
                self._recorder.record_events(events[:count])
            except Exception as error:
                self._warn_once(error)
                if _is_retryable(error):
                    self._give_up.wait(_RETRY_SECONDS)
                    continue
                if count > 1:  # record one by one, to lose the refused event only
                    count = 1
                    continue
            else:
                self._unwritten -= count
            del events[:count]
            self._last_success = time.monotonic()

    def _warn_once(self, error: Exception) -> None:
        no_answer = isinstance(error.__cause__ or error.__context__, OSError)
        failure = _NO_ANSWER if no_answer else summarize_error(error)
        if self._failure is None:
            hint = "the study goes on; what is missing is sent later"
            print(f"{self._store}: {failure}; {hint}", file=sys.stderr)
        self._failure = failure


def _is_retryable(error: Exception) -> bool:
    """Return whether a retry can help: the server or the disk failed, not the request."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        is_proxy = error.error_code == "ENDPOINT_NOT_FOUND"  # without a server behind it
        status = 503 if is_proxy else error.get_http_status_code()
    elif isinstance(error, OSError):  # the error of an upload has the server's answer
        status = getattr(getattr(error, "response", None), "status_code", 500)
    else:
        return False
    return status >= 500 or status in _RETRYABLE_STATUSES
