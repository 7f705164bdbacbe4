"""compose.yaml, unchanged, as a project beside those of this machine's user."""

import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docker.docker_with_compose import DockerWithCompose
from tests.docker.files import DOCKER, required
from tests.machine import free_port
from tests.waiting import wait_until

_NAME = "fer_tune_tests"
_WORKERS = 2
_UP = ("up", "--wait", "--no-build", "--scale", f"worker={_WORKERS}")


@dataclass(frozen=True)
class ComposeProject:
    """A project with secrets, volumes and a port of its own.

    folder: takes its settings and what its studies print.
    """

    docker: DockerWithCompose
    folder: Path
    port: int

    def call(self, *words: str, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run `docker compose` to its end."""
        return self.docker.engine.call(*self._options(), *words, seconds=seconds)

    def require(self, *words: str, seconds: float = 120) -> str:
        """Return the output of a `docker compose` that must succeed."""
        return self.docker.engine.require(*self._options(), *words, seconds=seconds)

    def start_services(self) -> None:
        """Start what does not run, and wait until all services are healthy."""
        started = self.call(*_UP, seconds=600)
        assert started.returncode == 0, f"{started.stdout}{self._show_state()}"

    def count_healthy(self) -> dict[str, int]:
        """Return how many containers of each service are healthy."""
        rows = self.require("ps", "--format", "{{.Service}} {{.Health}}").split("\n")
        healthy = [row.split()[0] for row in rows if row.endswith(" healthy")]
        return {name: healthy.count(name) for name in sorted(set(healthy))}

    def start_study(self, container: str, *options: str) -> "RunningStudy":
        """Start a study as a person does, with `docker compose run --rm study`."""
        run = ("run", "--rm", "--name", f"{_NAME}-{container}", "study", *options)
        log = self.folder / f"{container}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*self.docker.engine.command, *self._options(), *run],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return RunningStudy(self, f"{_NAME}-{container}", process, log)

    def _show_state(self) -> str:
        return self.require("ps", "--all") + self.require("logs", "--no-color", "--tail", "20")

    def _options(self) -> tuple[str, ...]:
        files = ("--env-file", str(self.folder / ".env"), "--file", str(DOCKER / "compose.yaml"))
        return ("compose", "--project-name", _NAME, *files)


@dataclass(frozen=True)
class RunningStudy:
    """A study in a container of its own, and the `docker compose run` that a person looks at."""

    project: ComposeProject
    container: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def output(self) -> str:
        """What a person sees."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str, seconds: float = 240) -> None:
        """Wait until a regular expression matches what the study prints."""

        def is_printed() -> bool:
            assert self.process.poll() is None, f"ended before {pattern!r}: {self.output}"
            return re.search(pattern, self.output) is not None

        wait_until(is_printed, f"{self.container} prints {pattern!r}", seconds)

    def wait(self, seconds: float) -> int:
        """Return the exit code. Raises TimeoutExpired."""
        return self.process.wait(seconds)

    def stop(self) -> None:
        """Stop it as `docker stop` does."""
        self.project.docker.engine.require("stop", self.container)


@contextmanager
def create_project(docker: DockerWithCompose, folder: Path) -> Iterator[ComposeProject]:
    """Write the settings of a project; in the end remove its containers, networks and volumes.

    folder: of the project alone; the engine must be able to mount it.
    """
    with docker.join_network():
        port = free_port()
    settings = {name: secrets.token_hex(32) for name in required()}
    settings |= {"MLFLOW_PORT": str(port), "WORKER_CPUS": "1"}
    lines = (f"{name}={value}\n" for name, value in settings.items())
    (folder / ".env").write_text("".join(lines))
    project = ComposeProject(docker, folder, port)
    end = ("--profile", "study", "down", "--volumes", "--remove-orphans")
    project.call(*end)
    try:
        yield project
    finally:
        running = docker.engine.call("ps", "--quiet", "--filter", f"name={_NAME}-").stdout.split()
        docker.engine.call("kill", *running, seconds=120)  # `down` stops no study, and is slow
        project.call(*end)
