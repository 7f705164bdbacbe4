"""python -m benchmarks.replay: recorded learning curves, replayed through every search."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.machine_info import describe_machine
from benchmarks.markdown_table import format_markdown_table
from benchmarks.replay.parallel_replay import (
    ReplayPlan,
    Runs,
    list_default_systems,
    load_plan_curves,
    replay_systems,
)
from benchmarks.replay.plot_best_scores import plot_best_scores
from benchmarks.replay.record_curves import CURVES_FILE, SPACE_FILE
from benchmarks.replay.replay_statistics import (
    Estimate,
    estimate_epoch_ratio,
    estimate_epochs_to_score,
)
from benchmarks.replay.search_methods import STOCK
from fer_tune.common.errors import UserError

RESULTS_FOLDER = Path(__file__).parents[1] / "results"
TOLERANCE = 0.01  # of the table's best score: one point of macro F1


def main(argv: Sequence[str] | None = None) -> None:
    """Replay, print what each system needed, keep the figures and the picture."""
    options = _parse_options(argv)
    given = (options.table, options.space, options.epochs, options.seeds)
    plan = ReplayPlan(*given, options.syne_tune)
    began = time.monotonic()
    try:
        table = load_plan_curves(plan)
        runs = replay_systems(
            plan,
            options.systems or list_default_systems(plan),
            options.workers,
            options.processes,
            _print_progress,
        )
    except UserError as error:
        sys.exit(f"error: {error}")
    target = table.best_score - TOLERANCE
    print(
        f"\n{len(table.curves)} configurations; the best scores {table.best_score:.3f}. The forest knows"
    )
    print(f"how others rank by {table.rank_correlation:.2f} (Spearman's correlation).\n")
    print(format_table(runs, target))
    if not options.quick:
        path = _write_results(runs, table.best_score, options)
        plot_best_scores(runs, target, path.with_suffix(".png"))
        minutes = (time.monotonic() - began) / 60
        print(f"\n{minutes:.0f} minutes. Kept in {path}, with a picture.")


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--table", type=Path, default=CURVES_FILE)
    parser.add_argument("--space", default=SPACE_FILE, help="that the table was drawn from")
    parser.add_argument("--seeds", type=int, default=30, metavar="N", help="default: 30")
    parser.add_argument("--workers", type=int, nargs="+", default=(1, 4, 16), metavar="W")
    parser.add_argument("--systems", nargs="+", metavar="NAME", help="default: all but CQR")
    parser.add_argument("--epochs", type=int, default=1500, help="of a study (default: 1500)")
    parser.add_argument(
        "--syne-tune", type=Path, metavar="PYTHON", help="that has it; without one it is left out"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument(
        "--quick", action="store_true", help="three seeds, to see that all runs; nothing is kept"
    )
    parser.add_argument(
        "--out", type=Path, help=f"of the JSON (default: a new file in {RESULTS_FOLDER})"
    )
    options = parser.parse_args(argv)
    if options.quick:
        options.seeds = min(options.seeds, 3)
    if min(options.seeds, options.epochs, options.processes, *options.workers) < 1:
        parser.error("--seeds, --epochs, --workers and --processes are 1 or more")
    return options


def _print_progress(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def format_table(runs: Runs, target: float) -> str:
    """Epochs until a trial had the target: median and 95 % interval, and beside the stock's."""
    workers = sorted({key[1] for key in runs})
    names = list(dict.fromkeys(key[0] for key in runs))
    head = ["epochs to within a point of the best"]
    for count in workers:
        head += [f"{count} worker{'s' if count > 1 else ''}", "over stock"]
    rows = []
    for name in names:
        cells = [name]
        for count in workers:
            most = runs[name, count][0].epochs
            cells.append(
                _format_estimate(
                    estimate_epochs_to_score(runs[name, count], target), "{:.0f}", most
                )
            )
            stock = runs.get((STOCK, count))
            of_stock = (
                "" if stock is None or name == STOCK else _format_ratio(runs, name, count, target)
            )
            cells.append(of_stock)
        rows.append(cells)
    return format_markdown_table(head, rows)


def _format_ratio(runs: Runs, name: str, workers: int, target: float) -> str:
    return _format_estimate(
        estimate_epoch_ratio(runs[name, workers], runs[STOCK, workers], target), "{:.2f}", None
    )


def _format_estimate(estimate: Estimate, number_format: str, max_epochs: int | None) -> str:
    """The estimate in brackets' interval; what no study reached is more than it was let run."""
    beyond = "?" if max_epochs is None else f"> {max_epochs}"
    value, low, high = (
        number_format.format(each) if each < float("inf") else beyond
        for each in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"


def _write_results(runs: Runs, best: float, options: argparse.Namespace) -> Path:
    path: Path = options.out or RESULTS_FOLDER / f"replay-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": describe_machine(),
        "best": best,
        "within": TOLERANCE,
        "runs": [asdict(run) for each in runs.values() for run in each],
    }
    path.write_text(json.dumps(content) + "\n")
    return path


if __name__ == "__main__":
    main()
