"""The services of docker/compose.yaml, each on a machine of its own.

They run the very commands of that file, in its environment, find each other by its names and are
waited for with its health checks, or until Ray has started. Two come as images that have no place
here: PostgreSQL is Debian's, and moto stands in for the S3 server.
"""

import os
import re
import secrets
import shutil
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

from tests.cluster.compose import Service, services
from tests.cluster.machines import Machine, Network, Setup
from tests.machine import bring
from tests.waiting import wait_until

# What the machines are called; the workers are numbered.
NAMES = ("database", "objects", "tracking", "head", "study", "worker-1", "worker-2", "worker-3")
BUCKETS = ("studies", "artifacts")

# As PostgreSQL's image does it: the first start makes the database.
_POSTGRES = """
cd /var/lib/postgresql
echo "$POSTGRES_PASSWORD" > password
initdb --no-sync -U "$POSTGRES_USER" --auth=scram-sha-256 --pwfile=password -D data
echo "host all all all scram-sha-256" >> data/pg_hba.conf
echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D data postgres
exec postgres -D data -c fsync=off -c listen_addresses=* -c unix_socket_directories=
"""
_AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

_S3_ADDRESS = "http://127.0.0.1:7070"
_ASK = ["python", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"]

# What our own image sets for all of its processes.
_IMAGE = {
    "MALLOC_ARENA_MAX": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONUNBUFFERED": "1",
}


class Cluster:
    """Machines for the services, started one by one.

    machines: by name, those that were started, whether they run or not.
    private: a folder of which every machine has one of its own.
    """

    def __init__(self, network: Network, folder: Path) -> None:
        keys = ("POSTGRES_PASSWORD", "S3_SECRET_KEY", "RAY_AUTH_TOKEN")
        fresh = {name: secrets.token_hex(32) for name in keys}
        self.machines: dict[str, Machine] = {}
        self.private = folder / "private"
        self._network, self._folder = network, folder
        self._services = services({**fresh, "WORKER_CPUS": "1"})
        programs = f"{Path(sys.executable).parent}:{_postgresql()}:{os.environ['PATH']}"
        self._image = {**_IMAGE, "PATH": programs}
        for path in (self.private, Path("/tmp/ray")):
            path.mkdir(exist_ok=True)

    def start(self, *names: str) -> None:
        """Start machines, also where they were killed, and wait until all are healthy."""
        for name in names:
            self._start(name, self._service(name))
        for name in names:
            self._wait_for(name)

    def study(self, *options: str) -> Machine:
        """The machine that runs a study with these options, and ends with it."""
        service = self._services["study"]
        entry = service.command[: service.command.index("study") + 1]
        return self._start("study", replace(service, command=[*entry, *options]))

    def ask_objects(self, path: str, method: str = "GET") -> str:
        """What the S3 server answers."""
        request = urllib.request.Request(f"{_S3_ADDRESS}/{path}", method=method)
        with self.machines["objects"].joined(), urllib.request.urlopen(request, timeout=20) as got:
            return str(got.read().decode())

    def keys(self, bucket: str) -> list[str]:
        """Of everything in a bucket."""
        return re.findall(r"<Key>(.+?)</Key>", self.ask_objects(f"{bucket}?list-type=2"))

    def _wait_for(self, name: str) -> None:
        machine, check = self.machines[name], self._service(name).check

        def is_healthy() -> bool:
            assert machine.is_up, f"{name} ended: {machine.shown}"
            if name.startswith(("head", "worker")):  # Ray's agent, which they ask, is not installed
                return "Ray runtime started" in machine.shown
            return machine.run(check).returncode == 0

        wait_until(is_healthy, f"{name} is healthy")

    def _service(self, name: str) -> Service:
        service = self._services[name.split("-")[0]]
        if name == "database":
            over_tcp = {**service.environment, "PGHOST": "127.0.0.1"}
            command = [*_AS_POSTGRES, "sh", "-ec", _POSTGRES]
            return replace(service, command=command, environment=over_tcp)
        if name == "objects":
            command = ["moto_server", "--host", "0.0.0.0", "--port", "7070"]
            return replace(service, command=command, check=[*_ASK, _S3_ADDRESS])
        return service

    def _start(self, name: str, service: Service) -> Machine:
        work = self._own_folder(name)
        mounts = {self._own_folder(f"{name}.ray"): "/tmp/ray"}
        if name == "database":
            shutil.chown(work, "postgres", "postgres")
            mounts[work] = "/var/lib/postgresql"
        if name != "study":
            mounts[self._own_folder(f"{name}.private")] = str(self.private)
        setup = Setup(
            name=name,
            command=service.command,
            environment={**self._image, **service.environment},
            folder=work,
            mounts=mounts,
            shared_memory=service.shared_memory,
        )
        self.machines[name] = self._network.start(setup)
        return self.machines[name]

    def _own_folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return folder


def bring_programs() -> str | None:
    """Install Debian's packages of what is missing here; why that failed, or None. Takes root."""
    needed = {"iproute2": shutil.which("ip"), "postgresql": _postgresql()}
    packages = [package for package, there in needed.items() if not there]
    if not packages:
        return None
    # Or Debian would start a database of its own with the package.
    defaults = Path("/etc/postgresql-common/createcluster.d/fer-tune-tests.conf")
    defaults.parent.mkdir(parents=True, exist_ok=True)
    defaults.write_text("create_main_cluster = false\n")
    return bring(*packages)


def _postgresql() -> Path | None:
    """Where PostgreSQL's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found else None
