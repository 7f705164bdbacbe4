"""A watch on the head of a Ray cluster, for a study that runs there.

If the head is gone, Ray's calls wait for it without a limit, and Ctrl-C does not interrupt them.
After a while, Ray ends the process and does not say how to resume the study.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

# Seconds after which Ray ends this process. The machines of a cluster wait for 60.
_RAY_LIMIT = "RAY_gcs_rpc_server_reconnect_timeout_s"
_CHECK_SECONDS = 5  # between two checks
_ANSWER_SECONDS = 5


def raise_ray_limit() -> None:
    """Let Ray end this process only after the watch. Must come before `import ray`."""
    os.environ.setdefault(_RAY_LIMIT, "120")


@contextmanager
def watch_cluster(address: str | None, on_loss: Callable[[str], object]) -> Iterator[None]:
    """Watch the cluster to which Ray is connected.

    address: of the cluster; nothing is watched if it is None.
    on_loss: is called in another thread if the cluster is lost, with a clause that says so. It must
        not call Ray, and should end the process: the main thread may wait for Ray forever.
    """
    if address is None:
        yield
        return
    has_ended = threading.Event()

    def watch() -> None:
        if problem := _wait_for_loss(has_ended):
            on_loss(f"the Ray cluster at {address} {problem}")

    thread = threading.Thread(target=watch, name="cluster-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def _wait_for_loss(has_ended: threading.Event) -> str | None:
    """Return how the cluster was lost; None if the study has ended before."""
    from ray._private.worker import global_worker
    from ray.exceptions import AuthenticationError, RayError

    patience = int(os.environ[_RAY_LIMIT]) / 2  # that of the cluster's machines
    silent_since = None
    while not has_ended.wait(_CHECK_SECONDS):
        try:
            global_worker.gcs_client.internal_kv_get(
                b"session_name", b"session", timeout=_ANSWER_SECONDS
            )
            silent_since = None
        except AuthenticationError:  # another cluster has started at this address
            return None if has_ended.is_set() else "was started again without this study"
        except RayError:
            silent_since = silent_since or monotonic() - _ANSWER_SECONDS
            if monotonic() - silent_since >= patience and not has_ended.is_set():
                return f"has not answered for {patience:.0f} s"
    return None
