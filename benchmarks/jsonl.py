"""Runs that are kept as they end, a line of JSON each, so that a stopped benchmark goes on."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from benchmarks.processes import start_process_pool

Line = dict[str, Any]


def read_lines(path: Path) -> list[Line]:
    """What was run so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_and_append(
    path: Path,
    run: Callable[..., Line],
    arguments: Sequence[tuple[Any, ...]],
    processes: int,
    report_progress: Callable[[int, Line], None],
) -> None:
    """Run `run` with each of the arguments in `left`, adding its line to the file.

    say: is told of each: how many are done, and the line.
    """
    with start_process_pool(processes) as pool, path.open("a") as file:
        jobs = [pool.submit(run, *each) for each in arguments]
        for count, job in enumerate(as_completed(jobs), start=1):
            line = job.result()
            print(json.dumps(line), file=file, flush=True)
            report_progress(count, line)
