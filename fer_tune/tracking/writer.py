"""A study as it happens, recorded in MLflow by one thread."""

import queue
import sys
import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

from fer_tune.errors import UserError
from fer_tune.events import Ending, Event, now
from fer_tune.tracking.description import StudyDescription
from fer_tune.tracking.recorder import Recorder, StudyEnded
from fer_tune.tracking.store import Store, first_line

_PATIENCE = 5.0  # seconds that close() waits between two lines about what is left
_LAST_TRIES = 1  # beside MLflow's own, which take seconds


class StudyWriter:
    """Tells MLflow of one study; every call but the constructor and `close` returns at once.

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
        self._events: queue.SimpleQueue[Event | StudyEnded] = queue.SimpleQueue()
        self._pending: deque[Event | StudyEnded] = deque()
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
            self._thread.join(_PATIENCE)
        while self._thread.is_alive():
            left = self._events.qsize() + len(self._pending)
            print(f"{self._store}: {left} records left to write", file=sys.stderr)
            self._thread.join(_PATIENCE)
        missing = self._lost + len(self._pending)
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

    def _write(self) -> None:
        while True:
            self._pending.append(self._events.get())
            while not self._events.empty():
                self._pending.append(self._events.get())
            last = isinstance(self._pending[-1], StudyEnded)
            self._write_pending()
            if last:
                break
        for _ in range(_LAST_TRIES):
            if self._pending:
                time.sleep(1)
                self._write_pending()

    def _write_pending(self) -> None:
        while self._pending:
            try:
                self._recorder.record(self._pending[0])
            except Exception as error:  # whatever it is, the study goes on
                self._tell(error)
                if _may_pass(error):
                    return
                self._lost += 1
            self._pending.popleft()

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
