"""Machines within this one, joined by a network that nobody else sees.

Each is what a container is: network, process, mount and host name namespaces of its own, so it has
an address, sees only its own processes, and can have folders that no other machine has. Everything
in it ends at once when its first process is killed, and that one dies with the tests, however they
end. Making namespaces takes root.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import wait_until

_CLONE_NEWNET = 0x40000000

# Whatever was told to these by the surroundings is meant for other servers.
_FOREIGN = ("RAY_", "MLFLOW_", "AWS_", "FER_TUNE_", "PG")

DIES_WITH_ITS_PARENT = ["setpriv", "--pdeathsig", "KILL"]

# The first process of a machine waits for a line, which comes when its network is there. It stays
# root's: a process that gives that up is no longer killed with its parent.
_FIRST = """
set -e
hostname "$1"
mount -t tmpfs -o size="$2" shm /dev/shm
cd "$3"
shift 3
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
read -r _
"$@" < /dev/null
exit $?
"""


@dataclass(frozen=True)
class Setup:
    """What a machine is made of.

    command: runs in the foreground; the machine goes down when it ends.
    folder: where it and every other command there begins; its parent takes what they print.
    mounts: folders and files by where they are for this machine.
    shared_memory: its size, as `mount` takes it.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    mounts: Mapping[Path, str]
    shared_memory: str = "64m"


@dataclass(frozen=True)
class Machine:
    """One that was started.

    first: id of its first process, seen from outside.
    """

    setup: Setup
    first: int
    _holder: "subprocess.Popen[str]" = field(repr=False)

    @property
    def is_up(self) -> bool:
        """Whether its command still runs."""
        return self._holder.poll() is None

    @property
    def shown(self) -> str:
        """What its command, and those that it started, have printed."""
        return _log(self.setup).read_text(encoding="utf-8", errors="replace")

    def wait(self, seconds: float) -> int:
        """The exit code of its command, when that has ended. Raises TimeoutExpired."""
        return self._holder.wait(seconds)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a further command there, to its end; for at most two minutes."""
        enter = ["nsenter", "-t", str(self.first), "-m", "-u", "-n", "-p"]
        return subprocess.run(
            [*DIES_WITH_ITS_PARENT, *enter, "env", "-C", str(self.setup.folder), *command],
            env=_clean({**self.setup.environment, **(environment or {})}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )

    def processes(self) -> list[str]:
        """The command lines of all its processes."""
        lines = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # one of them has ended meanwhile
                own = Path(f"/proc/{self.first}/ns/pid").readlink()
                if (process / "ns/pid").readlink() == own:
                    lines.append((process / "cmdline").read_text().replace("\0", " "))
        return lines

    def joined(self) -> AbstractContextManager[None]:
        """Let this thread connect to what listens there, on the loopback interface too."""
        return join_network(self.first)

    def unplug(self) -> None:
        """Take its cable out: those that it is connected to are not told when it dies."""
        _ip(self.first, "link", "set", "eth0", "down")

    def terminate(self) -> None:
        """Ask its command to end, by SIGTERM."""
        os.kill(find_first_child(self.first), signal.SIGTERM)

    def kill(self) -> None:
        """Take its power away: every process in it gets SIGKILL."""
        self._holder.kill()
        self._holder.wait()


class Network:
    """A switch, and the machines that are plugged into it."""

    def __init__(self, switch: int, hosts: Path, addresses: Mapping[str, str]) -> None:
        self._switch, self._hosts, self._addresses = switch, hosts, addresses
        self._machines = ExitStack()

    def start(self, setup: Setup) -> Machine:
        """Start a machine."""
        own = ["unshare", "--net", "--pid", "--mount", "--uts", "--mount-proc", "--fork"]
        mounts = {self._hosts: "/etc/hosts", **setup.mounts}
        told = [setup.name, setup.shared_memory, str(setup.folder)]
        told += [part for here, there in mounts.items() for part in (str(here), there)]
        with _log(setup).open("a") as out:
            holder = subprocess.Popen(
                [
                    *(*DIES_WITH_ITS_PARENT, *own, "--kill-child", "sh", "-c", _FIRST, "sh"),
                    *(*told, "--", *setup.command),
                ],
                env=_clean(setup.environment),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self._machines.callback(holder.wait)
        self._machines.callback(holder.kill)
        machine = Machine(setup, find_first_child(holder.pid), holder)
        self._plug_in(machine)
        assert holder.stdin is not None
        with holder.stdin as first:
            first.write("\n")
        return machine

    def stop(self) -> None:
        """Kill every machine."""
        self._machines.close()

    def _plug_in(self, machine: Machine) -> None:
        address = self._addresses[machine.setup.name]
        # Of the address, so that others still find a machine that comes back.
        hardware = "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
        pair = ["peer", "name", "eth0", "address", hardware, "netns", str(machine.first)]
        cable = f"to-{machine.first}"
        _ip(self._switch, "link", "add", cable, "type", "veth", *pair)
        _ip(self._switch, "link", "set", cable, "master", "lan", "up")
        _ip(machine.first, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip(machine.first, "link", "set", "lo", "up")
        _ip(machine.first, "link", "set", "eth0", "up")


@contextmanager
def network(hosts: Path, names: Sequence[str]) -> Iterator[Network]:
    """A network for machines of these names; in the end none of them runs.

    hosts: is written: their names and addresses, as each of them has it in /etc/hosts.
    """
    addresses = {name: f"10.77.0.{number}" for number, name in enumerate(names, start=2)}
    lines = [f"{at} {name}\n" for name, at in {"localhost": "127.0.0.1", **addresses}.items()]
    hosts.write_text("".join(lines))
    bridge = "ip link add lan type bridge; ip link set lan up; echo; exec sleep infinity"
    switch = subprocess.Popen(
        [*DIES_WITH_ITS_PARENT, "unshare", "--net", "sh", "-ec", bridge],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert switch.stdout is not None
        assert switch.stdout.readline(), "no bridge can be made"
        made = Network(switch.pid, hosts, addresses)
        try:
            yield made
        finally:
            made.stop()
    finally:
        with switch:
            switch.kill()


def _log(setup: Setup) -> Path:
    return setup.folder.with_suffix(".log")


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    return kept | dict(environment)


def find_first_child(process: int) -> int:
    """The first child of a process, as soon as it has one."""
    children = Path(f"/proc/{process}/task/{process}/children")
    wait_until(lambda: bool(children.read_text().split()), "the first process of a machine")
    return int(children.read_text().split()[0])


@contextmanager
def join_network(process: int) -> Iterator[None]:
    """Let this thread connect to what listens in the network that a process is in."""
    with Path("/proc/thread-self/ns/net").open() as before:
        with Path(f"/proc/{process}/ns/net").open() as there:
            _enter_network(there.fileno())
        try:
            yield
        finally:
            _enter_network(before.fileno())


def _ip(process: int, *arguments: str) -> None:
    """Change the network that a process is in."""
    enter = ["nsenter", "-t", str(process), "-n"]
    subprocess.run([*enter, "ip", *arguments], check=True, timeout=20)


def _enter_network(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns is there from Python 3.12 on
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
