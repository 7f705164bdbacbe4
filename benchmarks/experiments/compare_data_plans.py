"""Train the baseline with each data plan, to see whether balanced training faces help.

python -m benchmarks.experiments.compare_data_plans fer2013.csv   three core-hours; resumable

Each training is scored twice: at its best epoch of all, and at its best epoch within as many
training steps as the plan with the shortest epochs has.
"""

import argparse
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import get_args

import torch

from benchmarks.markdown_table import format_markdown_table
from benchmarks.resumable_runs import Line, read_lines, run_in_pool_and_append
from fer_tune.common import cli
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import Faces, Splits
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions, SplitRule
from fer_tune.data.resampling import DATA_PLANS, DataPlan, apply_data_plan, count_epoch_faces
from fer_tune.data.trial_data import build_trial_data
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.terminal.formatting import format_mean_and_std
from fer_tune.trial.train_and_test import TrainedModel, evaluate_classifier, train_and_test
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial_config import BASELINE, count_steps_per_epoch

DEFAULT_FILE = Path(__file__).parents[1] / "studies" / "balance.jsonl"
METRIC = "val/macro_f1"
EQUAL_STEPS = "equal_steps"  # key of a run's scores within the steps that all plans have
Source = tuple[Path, SplitRule]
# Columns of the table: heading, and keys of the run's line.
COLUMNS = (
    ("train accuracy", "train", "accuracy"),
    ("gap", "train", "gap"),
    ("accuracy", "test", "accuracy"),
    ("macro F1", "test", "macro_f1"),
    ("accuracy, balanced test", "papers_test", "accuracy"),
    ("macro F1, balanced test", "papers_test", "macro_f1"),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Train the runs that the file lacks for these faces, then print the table."""
    options = _parse_options(argv)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    source = options.faces, options.split_rule
    key = {"faces_hash": _load_splits(*source).content_hash(), "epochs": options.epochs}
    done = {(line["plan"], line["seed"]) for line in read_lines(options.out, **key)}
    runs = [(plan, seed) for seed in range(options.seeds) for plan in DATA_PLANS]
    missing = [(source, *run, options.epochs) for run in runs if run not in done]

    def report_progress(count: int, line: Line) -> None:
        print(f"{count} of {len(missing)}: {line['plan']}, seed {line['seed']}", flush=True)

    run_in_pool_and_append(options.out, train_with_plan, missing, options.workers, report_progress)
    lines = read_lines(options.out, **key)
    print(f"Equal epochs:\n\n{format_table(lines)}")
    if equal := [line | line[EQUAL_STEPS] for line in lines if EQUAL_STEPS in line]:
        print(f"\nEqual training steps:\n\n{format_table(equal)}")


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiments.compare_data_plans",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("faces", type=Path, help="CSV, folder, zip or parquet")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each data plan (default: 3)")
    parser.add_argument("--epochs", type=int, default=20, help="default: 20, as in the paper")
    rule = "exact: as before near-duplicates stayed on one side"
    parser.add_argument("--split-rule", choices=get_args(SplitRule), default="near", help=rule)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--out", type=Path, default=DEFAULT_FILE, help="JSON lines, one for a run")
    return parser.parse_args(argv)


def train_with_plan(source: Source, data_plan: DataPlan, seed: int, epochs: int) -> Line:
    """Train the baseline with a data plan and score it on two test sets.

    The line has `test`, the scores on the unchanged test faces, and `papers_test`. For the latter,
    the test faces are balanced and augmented like training faces, as in the paper. Its table 5
    shows this: the support is 86,240 = 20 epochs x 7 classes x 56 faces x 11 copies.

    source: path of the faces, and the rule by which they are divided.
    """
    torch.set_num_threads(1)
    splits = _load_splits(*source)
    config = BASELINE.model_copy(update={"data_plan": data_plan})
    faces = build_trial_data(splits, splits.train, data_plan, seed)
    equal_epochs = _count_epochs_of_equal_steps(splits, data_plan, epochs)
    with tempfile.TemporaryDirectory() as folder:
        # The learning rate is constant, so the second training continues the first.
        shorter, trained = (
            train_and_test(
                TrialSpec(config, length, seed, METRIC),
                faces,
                splits.test,
                DiskDirectory(Path(folder)),
                lambda _: None,
            )
            for length in (equal_epochs, epochs)
        )
    balanced = apply_data_plan("balanced", splits.test, seed).faces
    return {
        "faces_hash": splits.content_hash(),
        "plan": data_plan,
        "seed": seed,
        "epochs": epochs,
        "faces": len(faces.training.faces),
        "originals": len(faces.training.originals),
        **_summarize_model(trained, balanced, splits.classes),
        EQUAL_STEPS: _summarize_model(shorter, balanced, splits.classes),
    }


def _count_epochs_of_equal_steps(splits: Splits, data_plan: DataPlan, epochs: int) -> int:
    """Return how many epochs of a plan fit into all epochs of the plan with the shortest."""
    counts = {plan: count_epoch_faces(plan, splits.train.labels) for plan in DATA_PLANS}
    steps = {plan: count_steps_per_epoch(count, BASELINE) for plan, count in counts.items()}
    return max(1, epochs * min(steps.values()) // steps[data_plan])


def _summarize_model(trained: TrainedModel, balanced: Faces, classes: Sequence[str]) -> Line:
    best = trained.best
    return {
        "epoch": best.epoch,
        "train": {"accuracy": best.metrics["train/accuracy"], "gap": best.metrics["gap"]},
        "test": _summarize_scores(trained.test),
        "papers_test": _summarize_scores(evaluate_classifier(trained.model, balanced, classes)),
    }


@cache
def _load_splits(path: Path, rule: SplitRule) -> Splits:
    return load_splits(path, ReadOptions(split_rule=rule))


def _summarize_scores(evaluation: Evaluation) -> dict[str, float]:
    scores = evaluation.scores
    by_class = dict(zip(evaluation.classes, scores.f1.tolist(), strict=True))
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, **by_class}


def format_table(lines: Sequence[Line]) -> str:
    """Return a table with a row for each data plan: means and standard deviations over seeds."""
    counts = ["faces an epoch (originals)", "steps an epoch"]
    headings = ["data plan", *counts, *(column[0] for column in COLUMNS)]
    rows = []
    for plan in DATA_PLANS:
        if runs := [line for line in lines if line["plan"] == plan]:
            faces = f"{runs[0]['faces']:,} ({runs[0]['originals']:,})"
            values = ([run[key][name] for run in runs] for _, key, name in COLUMNS)
            steps = count_steps_per_epoch(runs[0]["faces"], BASELINE)
            rows.append([plan, faces, f"{steps:,}", *map(format_mean_and_std, values)])
    return format_markdown_table(headings, rows)


if __name__ == "__main__":
    # Imported by its own name, because workers cannot import from __main__.
    from benchmarks.experiments import compare_data_plans as this

    cli.run_command(this.main)
