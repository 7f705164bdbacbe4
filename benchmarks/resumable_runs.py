"""JSON lines of finished runs, so that a benchmark can resume after an interruption."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from benchmarks.processes import start_process_pool

Line = dict[str, Any]


def read_lines(path: Path, **key: object) -> list[Line]:
    """Return the lines of a file that have these values; an empty list if it does not exist."""
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return [line for line in lines if key.items() <= line.items()]


def run_in_pool_and_append(
    path: Path,
    run: Callable[..., Line],
    arguments: Sequence[tuple[Any, ...]],
    processes: int,
    report_progress: Callable[[int, Line], None],
) -> None:
    """Call `run` with each tuple of arguments in a pool, and append each line to the file.

    report_progress: called with the number of finished calls and the newest line.
    """
    with start_process_pool(processes) as pool, path.open("a") as file:
        jobs = [pool.submit(run, *args) for args in arguments]
        for count, job in enumerate(as_completed(jobs), start=1):
            line = job.result()
            print(json.dumps(line), file=file, flush=True)
            report_progress(count, line)
