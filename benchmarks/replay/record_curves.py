"""Record learning curves of random configurations of a search space.

python -m benchmarks.replay.record_curves fer2013.csv     takes hours; the same command resumes
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import optuna
import torch

from benchmarks.resumable_runs import Line, read_lines, run_in_pool_and_append
from fer_tune.common import cli
from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.search_space.parameters import Point
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import Diverged, fit
from fer_tune.trial_config import TrialConfig, derive_seed

CURVES_FILE = Path(__file__).parent / "regularize.jsonl"
SPACE_FILE = str(CURVES_FILE.with_suffix(".yaml"))
METRIC = "val/macro_f1"
EPOCHS = 16
# A tenth of FER2013, so that two cores can train all configurations in hours.
TRAIN_FACES, VALIDATION_FACES = 2400, 1000
SEED = 0


def main(argv: Sequence[str] | None = None) -> None:
    """Train the configurations that the table lacks, and append a line for each.

    Raises UserError if the table was recorded on other faces.
    """
    options = _parse_options(argv)
    points, lines = draw_points(options.configurations), read_lines(options.table)
    if {line["faces_hash"] for line in lines} - {_load_splits(options.faces).content_hash()}:
        raise UserError(f"{options.table} has curves of other faces; give another --table")
    done = {line["number"] for line in lines}
    missing = [(options.faces, n, point) for n, point in enumerate(points) if n not in done]
    began = time.monotonic()

    def report_progress(count: int, line: Line) -> None:
        best = max(line["scores"], default=float("nan"))
        minutes = (time.monotonic() - began) / 60
        print(f"{count} of {len(missing)}, {minutes:.1f} min: {line['number']:03d} best {best:.3f}")

    run_in_pool_and_append(options.table, record_curve, missing, options.workers, report_progress)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay.record_curves", description=__doc__.splitlines()[0]
    )
    parser.add_argument("faces", type=Path, help="CSV, folder, zip or parquet")
    parser.add_argument("--table", type=Path, default=CURVES_FILE, help="JSON lines to append to")
    parser.add_argument("--configurations", type=int, default=160, help="lines in all")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    return parser.parse_args(argv)


def draw_points(count: int) -> list[Point]:
    """Draw the first `count` configurations of the table."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=SEED))
    space = load_space(find_space_file(SPACE_FILE))
    return [space.suggest_point(study.ask()) for _ in range(count)]


def record_curve(path: Path, number: int, point: Point) -> Line:
    """Train a configuration; return its line of the table, with fewer epochs if it diverged.

    path: the faces.
    """
    torch.set_num_threads(1)
    config = TrialConfig.model_validate(point)
    spec = TrialSpec(config, EPOCHS, derive_seed(SEED, number), METRIC)
    faces, device = _load_trial_data(path, config), pick_device()
    state = init_state(spec, len(faces.training.faces), len(faces.classes), device)
    scores, gaps, seconds = [], [], []
    before = time.process_time()
    try:
        for result in fit(spec, state, faces, device):
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
    return load_splits(path, ReadOptions(split_rule="exact"))  # as the recorded lines


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
    # Imported by its own name, because workers cannot import from __main__.
    from benchmarks.replay import record_curves as this

    cli.run_command(this.main)
