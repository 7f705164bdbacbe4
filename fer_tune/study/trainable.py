"""The function that Ray calls for a trial.

It alone imports torch: the process that conducts the study does without, and so starts sooner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune

from fer_tune.study.checkpoints import checkpoint_folder
from fer_tune.study.faces import SentFaces, received
from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import EpochResult


@dataclass(frozen=True)
class TrialOptions:
    """What all trials of a study share.

    seed: the study's; with the number of the trial it gives the trial's own.
    threads: of a trial on the CPU.
    gpus: of a trial; where it is a part of one, of its memory too.
    folder: of the study; absolute, and the same on every machine of a cluster.
    reported: by the number of a resumed trial, how many of its epochs the study has on record.
    """

    epochs: int
    metric: str
    seed: int
    threads: int
    gpus: float
    folder: Path
    reported: Mapping[int, int]


def train_trial(config: dict[str, Any], faces: SentFaces, options: TrialOptions) -> None:
    """Train one trial, keeping the state after every epoch and then reporting it.

    config: `number` in the study, and `trial`, the values of a TrialConfig.
    faces: see `fer_tune.study.faces.sent`.
    """
    import torch

    from fer_tune.training import checkpoint
    from fer_tune.training.device import pick_device
    from fer_tune.training.loop import fit
    from fer_tune.training.state import Task, fresh_state

    number, trial = config["number"], TrialConfig.model_validate(config["trial"])
    torch.set_num_threads(options.threads)
    device = pick_device(options.gpus)
    own = received(faces, trial.data_plan)
    kept = checkpoint_folder(options.folder, number)
    task = Task(trial, options.epochs, trial_seed(options.seed, number), options.metric)
    state = checkpoint.go_on(
        lambda: fresh_state(task, len(own.training.faces), len(own.classes), device),
        [kept],
    )
    # A kill between a checkpoint and its report leaves epochs that are trained but not on record.
    for result in state.history[options.reported.get(number, 0) :]:
        report(result, options.metric)
    for result in fit(task, state, own, device):
        checkpoint.save(state, kept)
        report(result, options.metric)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial: its own, and the same whenever the trial is run again."""
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def report(result: EpochResult, metric: str) -> None:
    """Tell Ray of an epoch: what it decides by, and the whole for the study's observers.

    Ray keeps statistics of every number that it finds, so it is given no more of them.
    """
    tune.report({metric: result.metrics[metric], "epoch": result.epoch, "result": result})
