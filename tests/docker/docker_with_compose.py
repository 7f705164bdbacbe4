"""A Docker engine with Compose: this machine's own, or Debian's, brought along.

The engine that is brought has mounts, processes and a network of its own, so that nothing of this
machine changes. Its network does not reach the outside, so it pulls no images.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tests.cluster.machines import DIES_WITH_ITS_PARENT, find_first_child, join_network
from tests.docker.container_engine import ContainerEngine, find_docker
from tests.docker.debian_roots import CACHE, make_root
from tests.docker.files import DOCKER, REPOSITORY
from tests.machine import bring
from tests.waiting import wait_until

_PACKAGES = ("docker.io", "docker-cli", "docker-compose", "iptables", "iproute2")
_SCRIPT = Path(__file__).with_name("start_docker_in_namespaces.sh")
_WORK = CACHE / "docker"  # images, gigabytes, while an engine runs
_CGROUP = "fer_tune_tests"
_OLDEST_ENGINE, _OLDEST_COMPOSE = 25, (2, 24)


@dataclass(frozen=True)
class DockerWithCompose:
    """An engine that answers.

    process: a process in the engine's namespaces; None for this machine's own engine.
    """

    engine: ContainerEngine
    description: str
    process: int | None = None

    def join_network(self) -> AbstractContextManager[None]:
        """Let this thread connect to the ports that the engine publishes."""
        return nullcontext() if self.process is None else join_network(self.process)


def find_own_docker() -> DockerWithCompose | str:
    """Return this machine's own engine, or the reason why it cannot be used."""
    if find_docker() is None:
        return "no Docker engine answers"
    # Variables of the shell would overrule those of the test's own file.
    names = [*re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()), "COMPOSE_FILE"]
    docker = ContainerEngine(("env", *(f"--unset={name}" for name in names), "docker"))
    server = docker.require("version", "--format", "{{.Server.Version}}").strip()
    if int(server.partition(".")[0]) < _OLDEST_ENGINE:
        return f"the Docker engine is older than {_OLDEST_ENGINE}: {server}"
    compose = docker.call("compose", "version", "--short").stdout.strip()
    version = re.match(r"v?(\d+)\.(\d+)", compose)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST_COMPOSE:
        return f"Compose is missing or older than 2.24: {compose}"
    return DockerWithCompose(docker, f"this machine's own: Docker {server}, Compose {compose}")


@contextmanager
def bring_docker(folder: Path) -> Iterator[DockerWithCompose]:
    """Start an engine that ends with this process; in the end nothing of it is left.

    folder: one more folder, besides the repository, that containers may mount. Raises
    AssertionError if the engine cannot be started.
    """
    with FileLock(CACHE / "docker.lock"):  # one engine at a time
        root = make_root("docker", _PACKAGES)
        _remove_remains()
        _WORK.mkdir(parents=True)
        try:
            with _start_dockerd(root, folder) as first:
                docker = _enter(first)
                server = docker.require("version", "--format", "{{.Server.Version}}").strip()
                compose = docker.require("compose", "version", "--short").strip()
                versions = f"Debian's Docker {server}, Compose {compose}"
                yield DockerWithCompose(docker, f"brought along: {versions}", first)
        finally:
            _remove_remains()


@contextmanager
def _start_dockerd(root: Path, folder: Path) -> Iterator[int]:
    """Start dockerd in namespaces of its own; yield its process."""
    _raise_share()
    own = ["--net", "--pid", "--mount", "--uts", "--fork", "--kill-child"]
    with (_WORK / "log").open("wb") as out:
        holder = subprocess.Popen(
            [
                *(*DIES_WITH_ITS_PARENT, "unshare", *own, "--propagation", "private"),
                *("bash", _SCRIPT, root, _WORK, f"/{_CGROUP}", REPOSITORY, folder),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        first = find_first_child(holder.pid)

        def is_ready() -> bool:
            assert holder.poll() is None, (_WORK / "log").read_text()
            return _enter(first).call("info").returncode == 0

        wait_until(is_ready, "the Docker engine answers")
        yield first
    finally:
        with holder:
            holder.kill()


def find_obstacle() -> str | None:
    """Return why no engine can be brought to this machine, or None; install what is missing."""
    if os.geteuid() != 0:
        return "bringing an engine needs root"
    own = ["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "true"]
    try:
        tried = subprocess.run(own, capture_output=True, text=True)
    except OSError as error:
        return f"bringing an engine needs namespaces: {error}"
    if tried.returncode != 0:
        return f"no namespaces here: {tried.stderr.strip()}"
    return None if shutil.which("mmdebstrap") else bring("mmdebstrap")


def _enter(process: int) -> ContainerEngine:
    """Return Docker as it is called in the namespaces of a process."""
    variables = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "DOCKER_HOST": f"unix://{_WORK}/docker.sock",
    }
    enter = ("nsenter", "-t", str(process), "-m", "-n", "-p", "-u")
    clean = ("env", "-i", "-C", str(REPOSITORY), *(f"{k}={v}" for k, v in variables.items()))
    return ContainerEngine((*DIES_WITH_ITS_PARENT, *enter, *clean, "docker"))


def _raise_share() -> None:
    """Give all containers together the weight of ten processes; version 1 of cgroups gives one."""
    version_1 = Path("/sys/fs/cgroup/cpu")
    if version_1.exists():
        (version_1 / _CGROUP).mkdir(exist_ok=True)
        (version_1 / _CGROUP / "cpu.shares").write_text("10240")


def _remove_remains() -> None:
    """Delete an engine's images and control groups, also those of an engine that was killed."""
    shutil.rmtree(_WORK, ignore_errors=True)
    for top in [*Path("/sys/fs/cgroup").glob(f"*/{_CGROUP}"), Path("/sys/fs/cgroup") / _CGROUP]:
        for folder in sorted(top.glob("**"), reverse=True):
            with suppress(OSError):
                folder.rmdir()
