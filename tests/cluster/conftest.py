import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster.machines import network
from tests.cluster.services import BUCKETS, NAMES, Cluster, bring_programs
from tests.machine import lacks


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of a head and two workers, with a tracking server, a database and an S3 server."""
    if reason := _why_not() or bring_programs():
        lacks(reason)
    folder = tmp_path_factory.mktemp("cluster")
    with network(folder / "hosts", NAMES) as switch:
        running = Cluster(switch, folder)
        running.start("database", "objects")
        running.start("tracking", "head")
        running.start("worker-1", "worker-2")
        for bucket in BUCKETS:
            running.ask_objects(bucket, "PUT")
        yield running


def _why_not() -> str | None:
    """Why no machines can be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    own = ["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "true"]
    made = subprocess.run(own, capture_output=True, text=True)
    return None if made.returncode == 0 else f"no network namespaces here: {made.stderr.strip()}"
