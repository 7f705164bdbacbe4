"""A study as it happens, recorded in MLflow by one thread."""

import queue
import sys
import threading
import time
from types import TracebackType
from typing import Self

from fer_tune.errors import UserError
from fer_tune.events import Ending, Event, now
from fer_tune.tracking.description import StudyDescription
from fer_tune.tracking.parts import StudyEnded
from fer_tune.tracking.recorder import Recorder
from fer_tune.tracking.store import Store, first_line

_PATIENCE = 5.0  # seconds that close() waits between two lines about what is left
_GATHER = 1.0  # seconds in which events gather: what is written at once costs less
_WAITING = 1000  # events; a study that outruns its store by more than these waits for it
_LAST_TRIES = 1  # beside MLflow's own, which take seconds


class StudyWriter:
    """Tells MLflow of one study; every call but the constructor and `close` returns at once.

    But `tell` waits where events come faster than a store can take them, lest they fill the memory.

    A store that fails later on does not disturb the study: it is told once on stderr, what could
    not be written is kept in order and tried again with every further event, and `close` says
    what is still missing.

    resume: go on in the runs that the store has of this study. Its events may all be told again:
        what is recorded already is not recorded twice.
    Raises UserError where the store cannot be written to or, without `resume`, has the study.
    """

    def __init__(self, store: Store, study: StudyDescription, resume: bool = False) -> None:
        from mlflow.exceptions import MlflowException

        self._store = store
        try:
            self._recorder = Recorder(store, study, resume)
        except (MlflowException, OSError) as error:
            raise UserError(f"tracking store {store}: {first_line(error)}") from error
        self.run_id = self._recorder.run_id
        self._events: queue.Queue[Event | StudyEnded] = queue.Queue(_WAITING)
        # By trial, oldest first, and under None the study's end.
        self._pending: dict[int | None, list[Event | StudyEnded]] = {}
        self._closing = threading.Event()
        self._lost = 0
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._write, name="mlflow-writer", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """As an observer of the study (`fer_tune.events.Observer`)."""
        self._events.put(event)

    def close(self, ending: Ending, note: str = "") -> str | None:
        """Write what is left, then end every run that is open.

        Returns one line about what could not be recorded, or None. A second call does nothing.
        """
        if self._thread.is_alive():
            self._events.put(StudyEnded(ending, note, now()))
            self._closing.set()
            self._thread.join(_PATIENCE)
        while self._thread.is_alive():
            left = self._events.qsize() + self._left()
            print(f"{self._store}: {left} records left to write", file=sys.stderr)
            self._thread.join(_PATIENCE)
        missing = self._lost + self._left()
        if not missing:
            return None
        return (
            f"{self._store}: {missing} records are missing there ({self._failure}); "
            "resume the study to add them"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")

    def _left(self) -> int:
        return sum(len(events) for events in list(self._pending.values()))

    def _write(self) -> None:
        over = False
        while not over:
            self._gather()
            over = None in self._pending
            self._write_pending()
        for _ in range(_LAST_TRIES):
            if self._pending:
                time.sleep(1)
                self._write_pending()

    def _gather(self) -> None:
        """Wait for an event, then a moment for others, unless there is no time or no room."""
        self._take(self._events.get())
        until = time.monotonic() + _GATHER
        while time.monotonic() < until and not self._events.full():
            if self._closing.wait(_GATHER / 20):
                break
        while not self._events.empty():
            self._take(self._events.get())

    def _take(self, event: Event | StudyEnded) -> None:
        key = None if isinstance(event, StudyEnded) else event.number
        self._pending.setdefault(key, []).append(event)

    def _write_pending(self) -> None:
        for key in list(self._pending):
            if not self._write_trial(key):
                return

    def _write_trial(self, key: int | None) -> bool:
        """False where the store has to be tried again later."""
        events = self._pending[key]
        at_once = len(events)
        while events:
            try:
                self._recorder.record(events[:at_once])
            except Exception as error:  # whatever it is, the study goes on
                self._tell(error)
                if _may_pass(error):
                    return False
                if at_once > 1:  # lose no more than the one to blame
                    at_once = 1
                    continue
                self._lost += 1
            del events[:at_once]
        del self._pending[key]
        return True

    def _tell(self, error: Exception) -> None:
        if self._failure is None:
            print(
                f"{self._store}: {first_line(error)}; the study goes on, its record is kept and "
                "tried again",
                file=sys.stderr,
            )
        self._failure = first_line(error)


def _may_pass(error: Exception) -> bool:
    """Whether trying again can help: the server or the disk failed, not what was sent."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return bool(error.get_http_status_code() >= 500)
    return isinstance(error, OSError)
