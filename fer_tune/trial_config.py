"""The configuration of a trial: its network and its training."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fer_tune.data.resampling import DataPlan
from fer_tune.model_config import ModelConfig

OptimizerName = Literal["adamw", "sgd"]
LearningRateSchedule = Literal["constant", "cosine", "onecycle"]
LabelSource = Literal["given", "votes", "without_suspects"]


class TrialConfig(ModelConfig):
    """The hyperparameters of a trial. The defaults are the baseline: the paper's configuration.

    optimizer: `adamw`, or `sgd` with Nesterov momentum (Sutskever et al. 2013, section 2).
    learning_rate: learning rate; its maximum if a schedule changes it.
    weight_decay: with `adamw`, decoupled weight decay (Loshchilov & Hutter 2019); 0 is Adam. With
        `sgd`, the factor of the weights in the gradient.
    label_smoothing: label smoothing of the training loss only.
    augmentation: strength of random flips, shifts, rotations, zooms and erasing. 0 is none, 1 the
        strongest in the literature on FER2013.
    mixup: alpha of the Beta distribution for mixing faces in pairs; 0 is none.
    averaging: epochs of the exponential moving average (EMA) of the weights, which is evaluated and
        saved. 0 is none (Polyak & Juditsky 1992; Tarvainen & Valpola 2017, section 3).
    self_distillation: share of each label that the evaluated network predicts itself. It grows
        from 0 in the first epoch to this value (Kim et al. 2021, section 3), and costs each step a
        forward pass.
    schedule: learning rate schedule over all epochs of the trial.
    data_plan: resampling of the training faces, see `fer_tune.data.resampling`.
    labels: what the network learns: the given label of each face, or the shares of people's votes
        (Barsoum et al. 2016, section 3). A face without votes keeps its given label. The value
        `without_suspects` is the given labels, without the faces whose label is most suspicious.
    suspect_share: share of the training faces that `without_suspects` leaves out, see
        `fer_tune.data.leave_out_suspects`.
    """

    optimizer: OptimizerName = "adamw"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 128
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augmentation: Annotated[float, Field(ge=0, le=1)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    averaging: Annotated[float, Field(ge=0, le=100)] = 0.0
    self_distillation: Annotated[float, Field(ge=0, le=1)] = 0.0
    schedule: LearningRateSchedule = "constant"
    data_plan: DataPlan = "original"
    labels: LabelSource = "given"
    suspect_share: Annotated[float, Field(ge=0, le=0.5)] = 0.1


BASELINE = TrialConfig()


def count_steps_per_epoch(face_count: int, config: TrialConfig) -> int:
    """Return the number of batches in an epoch; the last may be smaller."""
    return -(-face_count // config.batch_size)


def derive_seed(seed: int, number: int) -> int:
    """Return the seed of a study's trial, or of a trial's epoch, the same each time that it runs.

    seed: of the study, or of the trial.
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
