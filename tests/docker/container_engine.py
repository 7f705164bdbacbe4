"""Docker or Podman: whichever can build and run images on this machine."""

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Stricter than compose.yaml: the root is read-only, and every container has one core.
_CONFINED = [
    *("--read-only", "--tmpfs", "/tmp", "--env", "HOME=/tmp", "--init"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--cpus", "1", "--memory", "4g", "--shm-size", "640m"),
]


@dataclass(frozen=True)
class ContainerEngine:
    """A program that builds images and runs containers.

    command: the program, with the options that each of its commands needs.
    """

    command: tuple[str, ...]

    def call(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine; its errors are part of its output."""
        return subprocess.run(
            [*self.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )

    def require(self, *arguments: str, seconds: float = 60) -> str:
        """Return the output of a command that must succeed. Raises AssertionError otherwise."""
        done = self.call(*arguments, seconds=seconds)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}"
        return done.stdout

    def find_id(self, name: str) -> str | None:
        """Return the id of an image on this machine, or None."""
        found = self.call("image", "inspect", "--format", "{{.Id}}", name)
        return found.stdout.strip() if found.returncode == 0 else None

    def has_or_pulls(self, name: str) -> bool:
        """Return whether an image is on this machine, after a download if that is possible."""
        try:
            return bool(self.find_id(name)) or self.call("pull", name, seconds=240).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def run(self, image: str, *command: str, user: int | None = None) -> str:
        """Return what a command in a new container prints. Raises AssertionError if it fails."""
        own = [] if user is None else [f"--user={user}"]
        return self.require("run", "--rm", *_limits(), *own, image, *command)

    @contextmanager
    def start(self, image: str, command: list[str], *options: str) -> Iterator["Container"]:
        """Start a confined container in the background; remove it at the end.

        options: further options of `docker run`.
        """
        own = self.require("run", "--detach", *_CONFINED, *_limits(), *options, image, *command)
        container = Container(self, own.split()[-1])
        try:
            yield container
        finally:
            self.call("rm", "--force", "--volumes", container.id)


@dataclass(frozen=True)
class Container:
    """A container that was started."""

    engine: ContainerEngine
    id: str

    @property
    def output(self) -> str:
        """What its command has printed so far."""
        return self.engine.call("logs", self.id).stdout

    def is_running(self) -> bool:
        """Return whether its command still runs."""
        state = self.engine.require("inspect", "--format", "{{.State.Running}}", self.id)
        return state.strip() == "true"

    def succeeds(self, command: list[str]) -> bool:
        """Return whether a further command succeeds in it, as a health check does."""
        return self.engine.call("exec", self.id, *command).returncode == 0

    def stop(self) -> None:
        """Stop it as `docker stop` does: with SIGTERM, and half a minute later with SIGKILL."""
        self.engine.require("stop", "-t", "30", self.id)

    def wait(self, seconds: float) -> int:
        """Return the exit code of its command, once that has ended. Raises TimeoutExpired."""
        return int(self.engine.require("wait", self.id, seconds=seconds).split()[-1])


def find_docker() -> ContainerEngine | None:
    """Return Docker if an engine runs here."""
    docker = ContainerEngine(("docker",))
    is_there = shutil.which("docker") and docker.call("info").returncode == 0
    return docker if is_there else None


def find_podman(folder: Path) -> ContainerEngine:
    """Return Podman with images, layers and containers of its own in a folder."""
    # crun, the default, refuses machines that have both versions of cgroups.
    runtime = ("--runtime", "runc") if shutil.which("runc") else ()
    state = Path(tempfile.gettempdir()) / f"podman-{folder.name}"  # of at most 50 characters
    storage = ("--root", str(folder / "storage"), "--runroot", str(state))
    return ContainerEngine(("podman", *storage, *runtime))


def _limits() -> list[str]:
    """Return limits for `docker run` that this process is allowed to set."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    hard = {name: resource.getrlimit(number)[1] for name, number in limits.items()}
    at_most = {name: 4096 if most < 0 else min(most, 4096) for name, most in hard.items()}
    return [f"--ulimit={name}={most}:{most}" for name, most in at_most.items()]
