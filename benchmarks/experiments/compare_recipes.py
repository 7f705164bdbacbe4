"""Train the best configuration of `regularize` with changes that fer_tune does not have.

python -m benchmarks.experiments.compare_recipes fer2013.csv --only "as long" patches

Only training and validation faces are used. What a file of earlier runs has is not trained again.
"""

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import get_args

import torch

from benchmarks.experiments.recipe_training import RecipeTraining
from benchmarks.experiments.recipes import RECIPES
from benchmarks.markdown_table import format_markdown_table
from benchmarks.resumable_runs import Line, read_lines, run_in_pool_and_append
from fer_tune.common import cli
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions, SplitRule
from fer_tune.data.subsample import sample_training_split
from fer_tune.data.trial_data import build_trial_data
from fer_tune.scoring.metrics import EpochResult, find_best_epoch
from fer_tune.terminal.formatting import format_mean_and_std
from fer_tune.trial.train_state import TrialSpec

DEFAULT_FILE = Path(__file__).parents[1] / "studies" / "recipes.jsonl"
METRIC = "val/macro_f1"
Source = tuple[Path, SplitRule, int | None]


def main(argv: Sequence[str] | None = None) -> None:
    """Train the runs that the file lacks, then print the table."""
    options = _parse_options(argv)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    source = options.faces, options.split_rule, options.train_faces
    key = {"faces_hash": _load_splits(*source).content_hash(), "epochs": options.epochs}
    done = {(line["recipe"], line["seed"]) for line in read_lines(options.out, **key)}
    names = options.only or list(RECIPES)
    runs = [(name, seed) for seed in range(options.seeds) for name in names]
    missing = [(source, *run, options.epochs) for run in runs if run not in done]

    def report_progress(count: int, line: Line) -> None:
        print(f"{count} of {len(missing)}: {line['recipe']}, seed {line['seed']}", flush=True)

    run_in_pool_and_append(options.out, train_recipe, missing, options.workers, report_progress)
    print(format_table(read_lines(options.out, **key)))


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiments.compare_recipes",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("faces", type=Path, help="CSV, folder, zip or parquet")
    parser.add_argument("--only", nargs="+", choices=RECIPES, help="recipes (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each recipe (default: 1)")
    parser.add_argument("--epochs", type=int, default=24, help="default: 24")
    parser.add_argument("--train-faces", type=int, help="training faces (default: all)")
    parser.add_argument("--split-rule", choices=get_args(SplitRule), default="near")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--out", type=Path, default=DEFAULT_FILE, help="JSON lines, one for a run")
    return parser.parse_args(argv)


def train_recipe(source: Source, name: str, seed: int, epochs: int) -> Line:
    """Train a recipe, and return its scores at the best epoch and its costs.

    The line has `multiply_adds`, those of the training steps, and `core_seconds`, the processor
    time of these steps.
    """
    torch.set_num_threads(1)
    splits, recipe = _load_splits(*source), RECIPES[name]
    spec = TrialSpec(recipe.make_config(), epochs, seed, METRIC)
    data = build_trial_data(splits, splits.train, spec.config.data_plan, seed)
    training = RecipeTraining(spec, recipe, data)
    history = list(training.run(data))
    best = find_best_epoch(history, METRIC)
    assert best is not None
    return {
        "recipe": name,
        "faces_hash": splits.content_hash(),
        "seed": seed,
        "epochs": epochs,
        "epoch": best.epoch,
        **_summarize_epoch(best),
        "parameters": sum(weight.numel() for weight in training.state.model.parameters()),
        "multiply_adds": training.multiply_adds,
        "core_seconds": round(training.core_seconds),
        "history": [_summarize_epoch(result) for result in history],
    }


def _summarize_epoch(result: EpochResult) -> dict[str, float]:
    names = {"macro_f1": METRIC, "accuracy": "val/accuracy", "gap": "gap"}
    return {name: round(result.metrics[key], 5) for name, key in names.items()}


@cache
def _load_splits(path: Path, rule: SplitRule, train_faces: int | None) -> Splits:
    return sample_training_split(load_splits(path, ReadOptions(split_rule=rule)), train_faces, 0)


def format_table(lines: Sequence[Line]) -> str:
    """Return a table with a row for each recipe: means and standard deviations over seeds."""
    costs = ["multiply-adds (10^12)", "core-seconds"]
    rows = []
    for name in RECIPES:
        if runs := [line for line in lines if line["recipe"] == name]:
            scores = [[run[key] for run in runs] for key in ("macro_f1", "accuracy", "gap")]
            work = fmean(run["multiply_adds"] for run in runs) / 1e12
            seconds = fmean(run["core_seconds"] for run in runs)
            cells = [str(len(runs)), *map(format_mean_and_std, scores)]
            rows.append([name, *cells, f"{work:,.0f}", f"{seconds:,.0f}"])
    return format_markdown_table(["recipe", "seeds", "macro F1", "accuracy", "gap", *costs], rows)


if __name__ == "__main__":
    # Imported by its own name, because workers cannot import from __main__.
    from benchmarks.experiments import compare_recipes as this

    cli.run_command(this.main)
