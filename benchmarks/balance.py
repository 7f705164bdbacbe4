"""The paper's question about balance: four data plans, all else as in the paper.

python -m benchmarks.balance fer2013.csv     an hour on two cores; goes on where it was stopped
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import as_completed
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.processes import several_processes
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits
from fer_tune.data.plans import PLAN_NAMES, PlanName, build
from fer_tune.folder import DiskFolder
from fer_tune.training.config import PAPER
from fer_tune.training.device import pick_device
from fer_tune.training.faces import trial_faces
from fer_tune.training.final import tested, train_and_test
from fer_tune.training.loop import OnDevice
from fer_tune.training.metrics import Scores
from fer_tune.training.state import Task

OUT = Path(__file__).parent / "results" / "balance.jsonl"
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
    """Train what is not in the file yet, then print the table."""
    options = _parse(argv)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    known = [line for line in read_lines(options.out) if line["epochs"] == options.epochs]
    done = {(line["plan"], line["seed"]) for line in known}
    wanted = [(plan, seed) for seed in range(options.seeds) for plan in PLAN_NAMES]
    left = [each for each in wanted if each not in done]
    with several_processes(options.workers) as workers, options.out.open("a") as out:
        jobs = [workers.submit(run, options.faces, *each, options.epochs) for each in left]
        for count, job in enumerate(as_completed(jobs), start=1):
            known.append(line := job.result())
            print(json.dumps(line), file=out, flush=True)
            print(f"{count} of {len(left)}: {line['plan']}, seed {line['seed']}", flush=True)
    print(markdown(known))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.balance", description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20, help="the paper's: 20")
    parser.add_argument("--workers", type=int, default=2, help="of one thread each")
    parser.add_argument("--out", type=Path, default=OUT, help="a line a run")
    return parser.parse_args(argv)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What was run so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(path: Path, plan: PlanName, seed: int, epochs: int) -> dict[str, Any]:
    """Train the paper's configuration by a data plan; its scores on the test faces, twice.

    test: the test faces as they are.
    papers_test: balanced and augmented like the training faces, as the paper did to them (the
        support in its table 5 is 20 epochs of 7 classes of 56 faces and their ten copies).
    """
    torch.set_num_threads(1)
    splits = _splits(path)
    config = PAPER.model_copy(update={"data_plan": plan})
    faces = trial_faces(splits, splits.train, plan, seed)
    with tempfile.TemporaryDirectory() as folder:
        task = Task(config, epochs, seed, METRIC)
        final = train_and_test(task, faces, splits.test, DiskFolder(Path(folder)), lambda _: None)
    papers = OnDevice.of(build("balanced", splits.test, seed).faces, pick_device())
    originals = faces.training.originals.images
    return {
        "plan": plan,
        "seed": seed,
        "epochs": epochs,
        "epoch": final.best.epoch,
        "faces": len(faces.training.faces),
        "originals": len(originals),
        "train": {name: final.best.metrics[key] for name, key in _TRAIN.items()},
        "test": _scores(final.test, splits),
        "papers_test": _scores(tested(final.model, papers, len(splits.classes))[0], splits),
    }


_TRAIN = {"accuracy": "train/accuracy", "gap": "gap"}


@cache
def _splits(path: Path) -> Splits:
    return load_splits(path)


def _scores(scores: Scores, splits: Splits) -> dict[str, float]:
    by_class = dict(zip(splits.classes, scores.f1.tolist(), strict=True))
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, **by_class}


def markdown(lines: Sequence[dict[str, Any]]) -> str:
    """A row a data plan: means over its seeds, and their standard deviations."""
    headings = ["data plan", "faces (originals)", *(column[0] for column in COLUMNS)]
    rows = [headings, ["---"] * len(headings)]
    for plan in PLAN_NAMES:
        if runs := [line for line in lines if line["plan"] == plan]:
            faces = f"{runs[0]['faces']:,} ({runs[0]['originals']:,})"
            shown = [_spread([run[where][name] for run in runs]) for _, where, name in COLUMNS]
            rows.append([plan, faces, *shown])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


if __name__ == "__main__":
    # Of this module under its own name: workers cannot import from __main__.
    from benchmarks import balance as this

    this.main()
