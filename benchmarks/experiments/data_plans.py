"""The paper's question about balance: four data plans, all else as in the paper.

python -m benchmarks.experiments.data_plans fer2013.csv   two core-hours; resumes where it stopped
"""

import argparse
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from benchmarks.jsonl import Line, read_lines, run_and_append
from benchmarks.markdown_table import format_markdown_table
from fer_tune.common import cli
from fer_tune.common.filesystem import DiskDirectory
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits
from fer_tune.data.resampling import DATA_PLANS, DataPlan, apply_data_plan
from fer_tune.data.trial_data import build_trial_data
from fer_tune.scoring.metrics import Scores
from fer_tune.terminal.formatting import format_mean_and_std
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_and_test import predict_and_score, train_and_test
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial.training_loop import DeviceData
from fer_tune.trial_config import BASELINE

DEFAULT_FILE = Path(__file__).parents[1] / "studies" / "balance.jsonl"
METRIC = "val/macro_f1"
# What is shown of each run: its heading, and where its line has it.
COLUMNS = (
    ("train acc", "train", "accuracy"),
    ("gap", "train", "gap"),
    ("test acc", "test", "accuracy"),
    ("test macro F1", "test", "macro_f1"),
    ("the paper's test acc", "papers_test", "accuracy"),
    ("the paper's test macro F1", "papers_test", "macro_f1"),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Train what the file does not have of these faces yet, then print their table."""
    options = _parse_options(argv)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    faces_hash = _load_splits(options.faces).content_hash()
    done = {(line["plan"], line["seed"]) for line in _read_runs(options, faces_hash)}
    wanted = [(plan, seed) for seed in range(options.seeds) for plan in DATA_PLANS]
    left = [(options.faces, *each, options.epochs) for each in wanted if each not in done]

    def say(count: int, line: Line) -> None:
        print(f"{count} of {len(left)}: {line['plan']}, seed {line['seed']}", flush=True)

    run_and_append(options.out, train_with_plan, left, options.workers, say)
    print(format_table(_read_runs(options, faces_hash)))


def _read_runs(options: argparse.Namespace, faces_hash: str) -> list[Line]:
    like = (faces_hash, options.epochs)
    lines = read_lines(options.out)
    return [line for line in lines if (line["faces_hash"], line["epochs"]) == like]


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiments.data_plans", description=__doc__
    )
    parser.add_argument("faces", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20, help="the paper's: 20")
    parser.add_argument("--workers", type=int, default=2, help="of one thread each")
    parser.add_argument("--out", type=Path, default=DEFAULT_FILE, help="a line a run")
    return parser.parse_args(argv)


def train_with_plan(path: Path, data_plan: DataPlan, seed: int, epochs: int) -> Line:
    """Train the paper's configuration by a data plan; its scores on the test faces, twice.

    test: the test faces as they are.
    papers_test: balanced and augmented like the training faces, as the paper did to them (the
        support in its table 5, 86,240, is 20 epochs of 7 classes of 56 faces, each eleven times).
    """
    torch.set_num_threads(1)
    splits = _load_splits(path)
    config = BASELINE.model_copy(update={"data_plan": data_plan})
    faces = build_trial_data(splits, splits.train, data_plan, seed)
    with tempfile.TemporaryDirectory() as folder:
        task = TrialSpec(config, epochs, seed, METRIC)
        final = train_and_test(
            task, faces, splits.test, DiskDirectory(Path(folder)), lambda _: None
        )
    papers = DeviceData.from_faces(
        apply_data_plan("balanced", splits.test, seed).faces, pick_device()
    )
    best = final.best
    return {
        "faces_hash": splits.content_hash(),
        "plan": data_plan,
        "seed": seed,
        "epochs": epochs,
        "epoch": best.epoch,
        "faces": len(faces.training.faces),
        "originals": len(faces.training.originals),
        "train": {"accuracy": best.metrics["train/accuracy"], "gap": best.metrics["gap"]},
        "test": _summarize_scores(final.test_scores, splits),
        "papers_test": _summarize_scores(
            predict_and_score(final.model, papers, len(splits.classes))[0], splits
        ),
    }


@cache
def _load_splits(path: Path) -> Splits:
    return load_splits(path)


def _summarize_scores(scores: Scores, splits: Splits) -> dict[str, float]:
    by_class = dict(zip(splits.classes, scores.f1.tolist(), strict=True))
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, **by_class}


def format_table(lines: Sequence[Line]) -> str:
    """A row a data plan: means over its seeds, and their standard deviations."""
    headings = ["data plan", "faces (originals)", *(column[0] for column in COLUMNS)]
    rows = []
    for plan in DATA_PLANS:
        if runs := [line for line in lines if line["plan"] == plan]:
            faces = f"{runs[0]['faces']:,} ({runs[0]['originals']:,})"
            shown = [
                format_mean_and_std([run[where][name] for run in runs])
                for _, where, name in COLUMNS
            ]
            rows.append([plan, faces, *shown])
    return format_markdown_table(headings, rows)


if __name__ == "__main__":
    # Of this module under its own name: workers cannot import from __main__.
    from benchmarks.experiments import data_plans as this

    cli.run_command(this.main)
