"""Ray Tune's trainable: the function that trains one trial on a worker.

Only the functions that run on a worker import torch, so the driver starts sooner.
"""

import math
from dataclasses import dataclass
from typing import Any

from ray import tune

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.checkpoint_pruner import checkpoint_directory
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.shared_data import SharedStudyData, get_trial_data
from fer_tune.trial.gpu_errors import is_fatal_for_worker
from fer_tune.trial_config import TrialConfig, derive_seed


@dataclass(frozen=True)
class TrialOptions:
    """Options that all trials of a study share.

    epochs: length of a trial.
    seed: the study's; a trial's own seed follows from it and the trial's number.
    threads: CPU threads of a trial.
    shared_dir: the study's folder, with the same address on every machine of a cluster.
    """

    epochs: int
    metric: str
    seed: int
    threads: int
    shared_dir: Directory


@dataclass(frozen=True)
class RestoreOutcome:
    """What a worker restored of a trial.

    epochs: number of epochs in its checkpoint.
    problem: why an existing checkpoint could not be used.
    """

    epochs: int = 0
    problem: str | None = None


NOT_RESTORED = RestoreOutcome()


def train_trial(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:
    """Train one trial: after each epoch, write a checkpoint and report the epoch to Ray.

    The epochs of a checkpoint are reported again, as a worker may die before it reports the last.
    An error is also reported and not raised, as Ray retries whatever is raised. Ray is to retry
    only if the worker dies or loses its GPU.

    config: `number` in the study; `trial`, the values of a TrialConfig; and `gpus`, the trial's
        share of GPUs and of their memory. In an ablation, and in a repeat of a finalist, also
        `name`, and `seed_number`, from which the seed of the training follows.
    faces: see `put_study_data`.
    """
    try:
        _run_trial(config, faces, options)
    except Exception as error:
        if is_fatal_for_worker(error):
            raise  # Ray retries in another process
        failure = TrialFailure.from_error(error)
        tune.report({options.metric: math.nan, "epoch": 0, "failure": failure})


def _run_trial(config: dict[str, Any], faces: SharedStudyData, options: TrialOptions) -> None:
    import torch

    from fer_tune.trial import checkpoint
    from fer_tune.trial.device import pick_device
    from fer_tune.trial.train_state import TrialSpec

    number, trial = config["number"], TrialConfig.model_validate(config["trial"])
    torch.set_num_threads(options.threads)
    device = pick_device(config["gpus"])
    if config["gpus"] and device.type == "cpu":
        raise RuntimeError("Ray sees a GPU and torch does not; is this torch built for the GPU?")
    data = get_trial_data(faces, trial)
    directory = checkpoint_directory(options.shared_dir, number)
    seed = derive_seed(options.seed, config.get("seed_number", number))
    spec = TrialSpec(trial, options.epochs, seed, options.metric)
    problems: list[str] = []
    state = checkpoint.load_or_init(spec, data, device, directory, problems.append)
    restored = RestoreOutcome(state.epochs_done, problems[0] if problems else None)
    for result in checkpoint.fit_with_checkpoints(spec, state, data, device, directory):
        report_epoch(result, options.metric, restored)


def report_epoch(result: EpochResult, metric: str, restored: RestoreOutcome = NOT_RESTORED) -> None:
    """Report an epoch to Ray Tune.

    Ray computes statistics of every number in a report, so only the metric and the epoch are
    numbers; all metrics are in `result`.
    """
    value = result.metrics[metric]
    tune.report({metric: value, "epoch": result.epoch, "result": result, "restored": restored})
