"""Processes for measurements, and the time and memory that they take."""

import multiprocessing
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


def start_warm_worker() -> AbstractContextManager[ProcessPoolExecutor]:
    """Start a fresh process, which stays warm between its jobs."""
    return start_process_pool(1)


@contextmanager
def start_process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start `count` fresh processes; after an error or a stop, they end at once."""
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def run_and_time(command: Sequence[str], folder: Path, out: Path) -> float:
    """Run a command and return its seconds; its output goes to a file in `out`.

    Raises RuntimeError with the end of the output if the command fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "FER_TUNE_DATA"}
    log = out / "printed.txt"
    began = time.perf_counter()
    with log.open("w") as output:
        result = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{log.read_text()[-3000:]}")
    return time.perf_counter() - began


def sum_trial_memory(driver_pid: int) -> int:
    """Return the bytes that a study's trials hold, shared memory included; Linux only.

    The sum has two parts: the anonymous memory of the workers that train, and the shared memory of
    all processes below the driver. Shared memory, such as Ray's object store, counts once
    (proportional set size).
    """
    total = 0
    for pid in _list_descendants(driver_pid):
        try:
            sizes = read_process_memory(pid)
            trains = "ImplicitFunc" in Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:  # the process has ended
            continue
        total += sizes["Pss_Shmem"] + (sizes["Pss_Anon"] if trains else 0)
    return total


def read_process_memory(pid: int | str) -> dict[str, int]:
    """Return the bytes of a process by kind ("Pss_Anon", "Private_Dirty", ...).

    pid: the process; "self" for this process.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split(":") for line in lines)
    return {name: int(kilobytes.split()[0]) * 1024 for name, kilobytes in pairs}


def _list_descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may contain spaces and parentheses.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):  # the process has ended
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    descendants, pending = [], [root]
    while pending:
        descendants.append(pending.pop())
        pending += children.get(descendants[-1], [])
    return descendants
