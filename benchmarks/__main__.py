"""python -m benchmarks: run benchmarks, print a table with their targets, write it as JSON."""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup

if TYPE_CHECKING:
    from rich.table import Table

RESULTS_FOLDER = Path(__file__).parent / "results"

# By name: the module with its function `measure_MODULE`, and what it measures.
BENCHMARKS = {
    "train": ("training_speed", "a, b: training of a trial, beside the reference and the hardware"),
    "study": ("study_speed", "c, d: a whole study, beside the reference and its own training"),
    "tracking": ("tracking_overhead", "e: a study with MLflow beside one without"),
    "overhead": ("trial_overhead", "f, g: trials that train nothing, and growth with their number"),
    "memory": ("memory_of_one_more_trial", "h: memory for the faces of one more trial at once"),
    "start": ("startup_time", "i: --help, the first training step, decoding, the cache"),
    "predict": ("predict_and_retrain_speed", "j: prediction and retraining"),
    "sharing": (
        "gpu_sharing_speed",
        "trials an hour at 1, 2, 4 and 8 trials a GPU, if there is one",
    ),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmarks that the command line names."""
    options = _parse_options(argv)
    rows: list[BenchmarkResult] = []
    broken = False
    for name in options.names or BENCHMARKS:
        module = BENCHMARKS[name][0]
        measure = getattr(import_module(f"benchmarks.{module}"), f"measure_{module}")
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            setup = BenchmarkSetup(
                options.faces, options.repeats, Path(folder), options.quick, _print_progress
            )
            try:
                rows += measure(setup)
            except Exception:  # the remaining benchmarks still run
                broken = True
                traceback.print_exc()
    _print_results(rows)
    if not options.quick:
        print(f"\nWritten to {_write_results(rows, options)}")
    sys.exit(1 if broken else 0)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare fer_tune with a reference study and with targets, on this machine.",
        epilog="benchmarks:\n" + "\n".join(f"  {n:<10}{w}" for n, (_, w) in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Not `choices`: with nargs="*" argparse refuses the empty list.
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (default: all)")
    parser.add_argument(
        "--faces", type=Path, metavar="PATH", help="real faces: CSV, folder or zip (default: demo)"
    )
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="do a fraction of the work, to check that everything runs",
    )
    parser.add_argument(
        "--out", type=Path, help=f"the JSON file (default: a new file in {RESULTS_FOLDER})"
    )
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]}; choose from: {', '.join(BENCHMARKS)}")
    if options.repeats < 1:
        parser.error("--repeats must be 1 or more")
    return options


def _print_progress(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _print_results(results: Sequence[BenchmarkResult]) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False, width=110).print(_build_table(results))


def _build_table(results: Sequence[BenchmarkResult]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("measurement", overflow="fold")
    for name in ("median", "min .. max", "target", ""):
        table.add_column(name, justify="right", no_wrap=True)
    verdicts = {None: "", True: "met", False: "missed"}
    for row in sorted(results, key=lambda row: row.key):
        low, high = row.min_and_max
        table.add_row(
            row.key,
            row.what,
            f"{row.median:.3g} {row.unit}",
            f"{low:.3g} .. {high:.3g}",
            str(row.target or ""),
            verdicts[row.is_met],
        )
    return table


def _write_results(results: Sequence[BenchmarkResult], options: argparse.Namespace) -> Path:
    from benchmarks.machine_info import describe_machine

    path: Path = options.out or RESULTS_FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    faces = options.faces.name if options.faces else "demo faces"
    content = {
        "machine": describe_machine(),
        "faces": faces,
        "repeats": options.repeats,
        "rows": [asdict(row) | {"median": row.median, "met": row.is_met} for row in results],
    }
    path.write_text(json.dumps(_round_floats(content), indent=1) + "\n")
    return path


def _round_floats(content: object) -> object:
    """Return the content with floats of four significant figures, the precision of a timing."""
    match content:
        case float():
            return float(f"{content:.4g}")
        case dict():
            return {key: _round_floats(value) for key, value in content.items()}
        case list() | tuple():
            return [_round_floats(value) for value in content]
    return content


if __name__ == "__main__":
    main()
