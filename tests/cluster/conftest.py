import os
from collections.abc import Iterator

import pytest

from tests.cluster.machines import network, why_not
from tests.cluster.services import BUCKETS, NAMES, Cluster, bring_programs


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of a head and two workers, with a tracking server, a database and an S3 server."""
    if reason := why_not() or bring_programs():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cluster")
    with network(folder / "hosts", NAMES) as switch:
        running = Cluster(switch, folder)
        running.start("database", "objects")
        running.start("tracking", "head")
        running.start("worker-1", "worker-2")
        for bucket in BUCKETS:
            running.ask_objects(bucket, "PUT")
        yield running
