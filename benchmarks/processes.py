"""Processes that measure, and what they take."""

import multiprocessing
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


def start_process() -> AbstractContextManager[ProcessPoolExecutor]:
    """A fresh process, which stays warm between the jobs that it is given."""
    return start_process_pool(1)


@contextmanager
def start_process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Where an error ends the block, jobs that did not begin are dropped."""
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def run_and_time(command: Sequence[str], folder: Path, out: Path) -> float:
    """Seconds that a command took; what it prints goes to a file in `out`.

    Raises RuntimeError with the end of that where the command fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "FER_TUNE_DATA"}
    log = out / "printed.txt"
    began = time.perf_counter()
    with log.open("w") as printed:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{log.read_text()[-3000:]}")
    return time.perf_counter() - began


def sum_trial_memory(driver_pid: int) -> int:
    """Bytes that the trials of a study hold, and those that its processes share; Linux only.

    The former is the anonymous memory of Ray's workers that train; the latter, Ray's store of
    objects among it, counts once for all processes below `driver` (proportional set size).
    """
    total = 0
    for pid in _list_descendants(driver_pid):
        try:
            sizes = read_process_memory(pid)
            trains = "ImplicitFunc" in Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:  # it ended meanwhile
            continue
        total += sizes["Pss_Shmem"] + (sizes["Pss_Anon"] if trains else 0)
    return total


def read_process_memory(pid: int | str) -> dict[str, int]:
    """Bytes of a process by kind ("Pss_Anon", "Private_Dirty", ...); "self" for this one."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split(":") for line in lines)
    return {name: int(kilobytes.split()[0]) * 1024 for name, kilobytes in pairs}


def _list_descendants(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may itself hold spaces and parentheses.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):  # it ended meanwhile
            continue
        parents.setdefault(parent, []).append(int(entry.parent.name))
    found, open_ones = [], [root]
    while open_ones:
        found.append(open_ones.pop())
        open_ones += parents.get(found[-1], [])
    return found
