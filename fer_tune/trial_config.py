"""What one trial is: a network and how it is trained."""

from typing import Annotated, Literal

from pydantic import Field

from fer_tune.data.resampling import DataPlan
from fer_tune.model_config import ModelConfig

LearningRateSchedule = Literal["constant", "cosine", "onecycle"]


class TrialConfig(ModelConfig):
    """Every hyperparameter of a trial, flat; the defaults are the paper's own configuration.

    learning_rate: Adam's; the peak where the schedule moves it.
    weight_decay: decoupled (AdamW: Loshchilov & Hutter 2019); 0 is Adam.
    label_smoothing: of the training loss only.
    augmentation: strength of the random flips, shifts, turns, zooms and erasures; 0 is none, and
        1 is the strongest that the field uses on FER2013.
    mixup: alpha of the Beta distribution by which faces are mixed in pairs; 0 mixes none.
    averaging: epochs over which the weights that are scored and kept are averaged, exponentially;
        0 takes them as they are (Polyak & Juditsky 1992; Tarvainen & Valpola 2017, section 3).
    self_distillation: the part of each label that is what the scored network itself predicts; it
        grows from 0 in the first epoch towards this at the end (Kim et al. 2021, section 3). Costs
        each step a forward pass.
    schedule: of the learning rate, over the whole length of the trial.
    data_plan: how training faces are drawn; see `fer_tune.data.resampling`.
    """

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


BASELINE = TrialConfig()
