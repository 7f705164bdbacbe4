import threading
from collections.abc import Iterator
from itertools import chain, repeat
from types import SimpleNamespace

import pytest
from ray._private import worker
from ray.exceptions import AuthenticationError, RpcError

from fer_tune.study.tune import cluster_connection
from fer_tune.study.tune.cluster_connection import watch_cluster

OTHER_CLUSTER = AuthenticationError("RPC error: WrongClusterID: Perhaps the client is ...")
SILENCE = RpcError("Timed out while waiting for GCS to become available.")


class Head:
    """A head that gives these answers one after the other, the last one again and again."""

    def __init__(self, *answers: Exception | None) -> None:
        self.was_asked_again = threading.Event()  # after the last answer
        self._answers: Iterator[Exception | None] = chain(answers, repeat(answers[-1]))
        self._left = len(answers)

    def internal_kv_get(self, key: bytes, namespace: bytes, timeout: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            self.was_asked_again.set()
        if answer := next(self._answers):
            raise answer
        return b"session"


@pytest.fixture(autouse=True)
def _fast_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_connection, "_CHECK_SECONDS", 0.001)
    monkeypatch.setattr(cluster_connection, "_ANSWER_SECONDS", 1)
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "120")


def _watch(monkeypatch: pytest.MonkeyPatch, head: Head, seconds: float) -> list[str]:
    """Return how the cluster was lost; the clock moves on by so many seconds a check."""
    losses, lost = list[str](), threading.Event()
    clock = iter(range(10**9))
    monkeypatch.setattr(cluster_connection, "monotonic", lambda: next(clock) * seconds)
    monkeypatch.setattr(worker, "global_worker", SimpleNamespace(gcs_client=head))

    def on_loss(problem: str) -> None:
        losses.append(problem)
        lost.set()

    with watch_cluster("head:6379", on_loss):
        while not (lost.wait(0.01) or head.was_asked_again.is_set()):
            pass
    return losses


def test_a_head_that_stays_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(None, *[SILENCE] * 50)
    losses = _watch(monkeypatch, head, 5)
    assert losses == ["the Ray cluster at head:6379 has not answered for 60 s"]


def test_a_head_that_answers_again_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(SILENCE, SILENCE, None, SILENCE, SILENCE, None)
    assert _watch(monkeypatch, head, 20) == []


def test_a_head_that_was_started_again_is_lost_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = _watch(monkeypatch, Head(None, OTHER_CLUSTER, OTHER_CLUSTER), 0)
    assert losses == ["the Ray cluster at head:6379 was started again without this study"]


def test_ray_on_this_machine_is_not_watched() -> None:
    with watch_cluster(None, pytest.fail):
        assert "cluster-watch" not in [thread.name for thread in threading.enumerate()]
