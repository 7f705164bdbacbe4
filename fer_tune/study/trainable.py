"""The function that Ray calls for a trial. A worker imports this and no more than it needs."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray import tune

from fer_tune.study.faces import StudyFaces
from fer_tune.training import checkpoint
from fer_tune.training.config import TrialConfig
from fer_tune.training.device import pick_device
from fer_tune.training.loop import fit
from fer_tune.training.metrics import EpochResult
from fer_tune.training.state import State, Task, fresh_state


@dataclass(frozen=True)
class TrialOptions:
    """What all trials of a study share.

    seed: the study's; with the number of the trial it gives the trial's own.
    threads: of a trial on the CPU.
    checkpoints: by the number of a resumed trial, its checkpoint folders, newest first.
    reported: by the number of a resumed trial, how many of its epochs the study has on record.
    """

    epochs: int
    metric: str
    seed: int
    threads: int
    checkpoints: Mapping[int, Sequence[Path]]
    reported: Mapping[int, int]


def train_trial(config: dict[str, Any], faces: StudyFaces, options: TrialOptions) -> None:
    """Train one trial, reporting every epoch and the state after it.

    config: `number` in the study, and `trial`, the values of a TrialConfig.
    """
    number, trial = config["number"], TrialConfig.model_validate(config["trial"])
    torch.set_num_threads(options.threads)
    device = pick_device()
    own = faces[trial.data_plan]
    task = Task(trial, options.epochs, trial_seed(options.seed, number), options.metric)
    state = checkpoint.go_on(
        lambda: fresh_state(task, len(own.training.faces), len(own.classes), device),
        options.checkpoints.get(number, ()),
    )
    # A kill between a checkpoint and its report leaves epochs that are trained but not on record.
    for result in state.history[options.reported.get(number, 0) :]:
        _report(state, result)
    for result in fit(task, state, own, device):
        _report(state, result)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial: its own, and the same whenever the trial is run again."""
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def _report(state: State, result: EpochResult) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(state, Path(folder))
        tune.report(
            {**result.metrics, "epoch": result.epoch, "result": asdict(result)},
            checkpoint=tune.Checkpoint.from_directory(folder),
        )
