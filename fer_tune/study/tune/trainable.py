"""The function that Ray calls for a trial.

It alone imports torch: the process that conducts the study does without, and so starts sooner.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune

from fer_tune.common.filesystem import Directory
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.tune.failure import TrialFailure, is_fatal_for_worker
from fer_tune.study.tune.shared_data import SharedStudyData, get_trial_data
from fer_tune.trial_config import TrialConfig


@dataclass(frozen=True)
class TrialOptions:
    """What all trials of a study share.

    seed: the study's; with the number of the trial it gives the trial's own.
    threads: of a trial on the CPU.
    folder: of the study, which every machine of a cluster reaches by the same address.
    """

    epochs: int
    metric: str
    seed: int
    threads: int
    shared_dir: Directory


@dataclass(frozen=True)
class RestoreInfo:
    """With what a worker began a trial.

    epochs: that its checkpoint had.
    problem: why a checkpoint that was there could not be used.
    """

    epochs: int = 0
    problem: str | None = None


NOT_RESTORED = RestoreInfo()


def train_trial(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:
    """Train one trial, keeping the state after every epoch and then reporting it.

    The epochs of a checkpoint are reported again: the last of them may not be on record, since a
    worker can die between the two. What breaks the trial is reported too, not raised: Ray would
    try again whatever it was, and is to do so only where the worker died or its GPU is lost to it.

    config: `number` in the study; `trial`, the values of a TrialConfig; and `gpus`, where it is a
        part of one, of its memory too.
    faces: see `fer_tune.study.tune.shared_data.sent`.
    """
    try:
        _run_trial(config, faces, options)
    except Exception as error:
        if is_fatal_for_worker(error):
            raise  # Ray goes on in another process
        failure = TrialFailure.from_error(error)
        tune.report({options.metric: math.nan, "epoch": 0, "failure": failure})


def _run_trial(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:
    import torch

    from fer_tune.trial import checkpoint
    from fer_tune.trial.device import pick_device
    from fer_tune.trial.train_state import TrialSpec, init_state
    from fer_tune.trial.training_loop import fit

    number, trial = config["number"], TrialConfig.model_validate(config["trial"])
    torch.set_num_threads(options.threads)
    device = pick_device(config["gpus"])
    if config["gpus"] and device.type == "cpu":
        raise RuntimeError("Ray has a GPU here and torch has none; is it built for this one?")
    own = get_trial_data(faces, trial.data_plan)
    kept = checkpoint_directory(options.shared_dir, number)
    task = TrialSpec(trial, options.epochs, derive_trial_seed(options.seed, number), options.metric)
    problems: list[str] = []
    state = checkpoint.load_or_init(
        lambda: init_state(task, len(own.training.faces), len(own.classes), device),
        kept,
        problems.append,
    )
    begun = RestoreInfo(state.epochs_done, problems[0] if problems else None)
    for result in state.history:
        report_epoch(result, options.metric, begun)
    for result in fit(task, state, own, device):
        checkpoint.save_state(state, kept)
        report_epoch(result, options.metric, begun)


def derive_trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial: its own, and the same whenever the trial is run again."""
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def report_epoch(result: EpochResult, metric: str, restored: RestoreInfo = NOT_RESTORED) -> None:
    """Tell Ray of an epoch: what it decides by, and the whole for the study's observers.

    Ray keeps statistics of every number that it finds, so it is given no more of them.
    """
    tune.report(
        {metric: result.metrics[metric], "epoch": result.epoch, "result": result, "begun": restored}
    )
