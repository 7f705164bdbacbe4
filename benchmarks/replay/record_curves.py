"""Record learning curves: configurations drawn at random from a space, each trained in full.

python -m benchmarks.replay.record_curves fer2013.csv     goes on where it was stopped; hours in all
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import optuna
import torch

from benchmarks.jsonl import Line, read_lines, run_and_append
from fer_tune.common import cli as cli
from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.tune.trainable import derive_trial_seed
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import Diverged, fit
from fer_tune.trial_config import TrialConfig

CURVES_FILE = Path(__file__).parent / "regularize.jsonl"
SPACE_FILE = str(CURVES_FILE.with_suffix(".yaml"))
METRIC = "val/macro_f1"
EPOCHS = 16
# A tenth of FER2013, so that so many configurations can be trained on two cores.
TRAIN_FACES, VALIDATION_FACES = 2400, 1000
SEED = 0


def main(argv: Sequence[str] | None = None) -> None:
    """Train what the table does not have yet, adding a line for each.

    Raises UserError where it was recorded on other faces.
    """
    options = _parse_options(argv)
    points, lines = draw_points(options.configurations), read_lines(options.table)
    if {line["faces_hash"] for line in lines} - {_load_splits(options.faces).content_hash()}:
        raise UserError(f"{options.table} is of other faces; record these in another --table")
    done = {line["number"] for line in lines}
    left = [(options.faces, n, point) for n, point in enumerate(points) if n not in done]
    began = time.monotonic()

    def say(count: int, line: Line) -> None:
        best = max(line["scores"], default=float("nan"))
        minutes = (time.monotonic() - began) / 60
        print(f"{count} of {len(left)}, {minutes:.1f} min: {line['number']:03d} best {best:.3f}")

    run_and_append(options.table, record_curve, left, options.workers, say)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay.record_curves", description=__doc__
    )
    parser.add_argument("faces", type=Path)
    parser.add_argument("--table", type=Path, default=CURVES_FILE)
    parser.add_argument("--configurations", type=int, default=160)
    parser.add_argument("--workers", type=int, default=2, help="of one thread each")
    return parser.parse_args(argv)


def draw_points(count: int) -> list[Point]:
    """The first `count` of the configurations that the table is to have."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=SEED))
    space = load_space(find_space_file(SPACE_FILE))
    return [space.suggest_point(study.ask()) for _ in range(count)]


def record_curve(path: Path, number: int, point: Point) -> Line:
    """A line of the table: scores, gaps and the core's seconds by epochs; fewer if it diverged.

    path: of the faces.
    """
    torch.set_num_threads(1)
    config = TrialConfig.model_validate(point)
    task = TrialSpec(config, EPOCHS, derive_trial_seed(SEED, number), METRIC)
    faces, device = _load_trial_data(path, config), pick_device()
    state = init_state(task, len(faces.training.faces), len(faces.classes), device)
    scores, gaps, seconds = [], [], []
    before = time.process_time()
    try:
        for result in fit(task, state, faces, device):
            scores.append(round(result.metrics[METRIC], 4))
            gaps.append(round(result.metrics["gap"], 4))
            seconds.append(round(time.process_time() - before, 2))
            before = time.process_time()
    except Diverged:
        pass
    return {
        "faces_hash": _load_splits(path).content_hash(),
        "number": number,
        "config": {name: _round_value(value) for name, value in point.items()},
        "scores": scores,
        "gaps": gaps,
        "seconds": seconds,
    }


def _load_trial_data(path: Path, config: TrialConfig) -> TrialData:
    splits = _load_subsample(path)
    return build_trial_data(splits, splits.train, config.data_plan, SEED)


@cache
def _load_splits(path: Path) -> Splits:
    return load_splits(path)


@cache
def _load_subsample(path: Path) -> Splits:
    splits = _load_splits(path)
    return replace(
        splits,
        train=draw_stratified_sample(splits.train, TRAIN_FACES, SEED),
        validation=draw_stratified_sample(splits.validation, VALIDATION_FACES, SEED),
    )


def _round_value(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    # Of this module under its own name: workers cannot import from __main__.
    from benchmarks.replay import record_curves as this

    cli.run_command(this.main)
