"""The status with which a run in MLflow ends."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from fer_tune.tracking.store import Store, stop_retries


@contextmanager
def end_run_with_context(store: Store, run_id: str) -> Iterator[None]:
    """End the run with the context: FINISHED, FAILED after an error, KILLED at Ctrl-C.

    Raises MlflowException if the store fails.
    """
    client, status = store.client, "FAILED"
    try:
        yield
        status = "FINISHED"
    except KeyboardInterrupt as interrupt:
        status = "KILLED"
        stop_retries()  # which would take minutes if a server hangs
        # A call that was interrupted keeps SQLite's lock while its frames hold the cursor.
        traceback.clear_frames(interrupt.__traceback__)
        raise
    finally:
        client.set_terminated(run_id, status)
