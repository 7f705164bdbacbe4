"""python -m benchmarks.replay: replay recorded learning curves through each search method."""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.markdown_table import format_markdown_table
from benchmarks.replay.parallel_replay import (
    ReplayPlan,
    Runs,
    list_default_systems,
    load_curves,
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
from fer_tune.common import cli

RESULTS_FOLDER = Path(__file__).parents[1] / "results"
TOLERANCE = 0.01  # below the table's best score: one point of macro F1


def main(argv: Sequence[str] | None = None) -> None:
    """Replay, print the epochs that each system needs, write the studies and a plot."""
    options = _parse_options(argv)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    plan = ReplayPlan(options.table, options.space, options.epochs, seeds, options.syne_tune)
    systems = options.systems or list_default_systems(plan)
    table = load_curves(plan)
    target = table.best_score - TOLERANCE
    with _open_output(options) as out:
        if not options.quick:
            print(f"Each study is written to {out}. To continue a stopped replay, add --out {out}")
        runs = replay_systems(
            plan, systems, options.workers, options.processes, out, _print_progress
        )
        plot_best_scores(runs, target, out.with_suffix(".png"))
    print(f"\n{len(table.curves)} configurations; the best has macro F1 {table.best_score:.3f}.")
    print("Ranks of configurations that the forest has not seen: ", end="")
    print(f"Spearman's correlation {table.rank_correlation:.2f}.\n")
    print(format_epochs_to_target_table(runs, target))


@contextmanager
def _open_output(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the file for the studies; with `--quick` it is deleted afterwards."""
    if options.quick:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "replay.jsonl"
        return
    path: Path = options.out or RESULTS_FOLDER / f"replay-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay",
        description="Replay recorded learning curves through each search method.",
    )
    parser.add_argument("--table", type=Path, default=CURVES_FILE, help="recorded learning curves")
    parser.add_argument("--space", default=SPACE_FILE, help="search space of the table")
    parser.add_argument("--seeds", type=int, default=30, metavar="N", help="seeds (default: 30)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=(1, 4, 16), metavar="W", help="default: 1 4 16"
    )
    parser.add_argument("--systems", nargs="+", metavar="NAME", help="default: all except CQR")
    parser.add_argument("--epochs", type=int, default=1500, help="of a study (default: 1500)")
    parser.add_argument(
        "--syne-tune", type=Path, metavar="PYTHON", help="compare Syne Tune, run by this Python"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument(
        "--quick", action="store_true", help="run three seeds as a check, and write nothing"
    )
    out = f"JSON lines, one for a study (default: a new file in {RESULTS_FOLDER})"
    parser.add_argument("--out", type=Path, metavar="FILE", help=out)
    options = parser.parse_args(argv)
    if options.quick:
        options.seeds = min(options.seeds, 3)
    if min(options.seeds, options.epochs, options.processes, *options.workers) < 1:
        parser.error("--seeds, --epochs, --workers and --processes must be 1 or more")
    return options


def _print_progress(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def format_epochs_to_target_table(runs: Runs, target: float) -> str:
    """Return a table of the epochs until a trial reaches the target.

    A cell has the median with its 95 % interval, and the ratio to the stock combination.
    """
    workers = sorted({key[1] for key in runs})
    names = list(dict.fromkeys(key[0] for key in runs))
    head = ["epochs to within a point of the best"]
    for count in workers:
        head += [f"{count} worker{'s' if count > 1 else ''}", "over stock"]
    rows = []
    for name in names:
        cells = [name]
        for count in workers:
            studies, stock = runs[name, count], runs.get((STOCK, count))
            epochs = estimate_epochs_to_score(studies, target)
            cells.append(_format_estimate(epochs, "{:.0f}", studies[0].epochs))
            if stock is None or name == STOCK:
                cells.append("")
            else:
                ratio = estimate_epoch_ratio(studies, stock, target)
                cells.append(_format_estimate(ratio, "{:.2f}", None))
        rows.append(cells)
    return format_markdown_table(head, rows)


def _format_estimate(estimate: Estimate, number_format: str, max_epochs: int | None) -> str:
    """Return the value and its interval; infinity becomes more than the epochs of a study."""
    beyond = "?" if max_epochs is None else f"> {max_epochs}"
    value, low, high = (
        number_format.format(number) if number < float("inf") else beyond
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"


if __name__ == "__main__":
    cli.run_command(main)
