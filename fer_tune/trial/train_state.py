"""Everything of a trial that changes from epoch to epoch."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
)
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn

from fer_tune.model import FerNet
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial_config import TrialConfig


@dataclass(frozen=True)
class TrialSpec:
    """What one trial has to do.

    epochs: full length; the schedule of the learning rate spans it.
    seed: of the weights, the order of the faces, dropout and augmentation.
    metric: by whose best epoch the trial is scored; a name of `build_epoch_metrics`.
    """

    config: TrialConfig
    epochs: int
    seed: int
    metric: str = "val/macro_f1"


@dataclass(eq=False)
class TrainState:
    """A trial between two epochs. `fit` moves it on; a checkpoint is this and nothing else.

    average: of the model's weights, where the configuration asks for it.
    """

    model: FerNet
    optimizer: AdamW
    schedule: LRScheduler
    ema_model: AveragedModel | None = None
    history: list[EpochResult] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epochs_done(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def evaluated_model(self) -> FerNet:
        """The network that is evaluated and kept."""
        if self.ema_model is None:
            return self.model
        averaged = self.ema_model.module
        assert isinstance(averaged, FerNet)
        return averaged

    def step_optimizer(self) -> None:
        """Move the weights by their gradients, the learning rate by its schedule."""
        self.optimizer.step()
        self.schedule.step()
        if self.ema_model is not None:
            self.ema_model.update_parameters(self.model)


def init_state(
    spec: TrialSpec, face_count: int, class_count: int, device: torch.device
) -> TrainState:
    """A trial before its first epoch.

    faces: drawn in an epoch; with the batch size they give the schedule its number of steps.
    """
    torch.manual_seed(spec.seed)
    model = FerNet(spec.config, class_count).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = AdamW(
        model.parameters(),
        lr=spec.config.learning_rate,
        weight_decay=spec.config.weight_decay,
        fused=True,
    )
    steps = count_steps_per_epoch(face_count, spec.config)
    schedule = _make_schedule(optimizer, spec.config, spec.epochs * steps)
    return TrainState(model, optimizer, schedule, _make_ema(model, spec.config.averaging * steps))


def count_steps_per_epoch(face_count: int, config: TrialConfig) -> int:
    """Batches that so many faces make, the last one maybe smaller."""
    return -(-face_count // config.batch_size)


def _make_schedule(optimizer: AdamW, config: TrialConfig, steps: int) -> LRScheduler:
    match config.schedule:
        case "constant":
            return LambdaLR(optimizer, lambda _: 1.0)
        case "cosine":
            return CosineAnnealingLR(optimizer, steps)
        case "onecycle":
            return OneCycleLR(optimizer, config.learning_rate, total_steps=steps)


def _make_ema(model: FerNet, steps: float) -> AveragedModel | None:
    """An exponential average over so many steps, and over fewer while few have been made.

    The statistics of the normalisations are averaged like the weights.
    """
    if steps == 0:
        return None

    def move(averages: PARAM_LIST, current: PARAM_LIST, _: Tensor | int) -> None:
        # The count it is handed may be on a GPU, and to read it there is to wait for it.
        made = int(average.n_averaged)
        decay = min(1 - 1 / max(steps, 1), (1 + made) / (10 + made))
        get_ema_multi_avg_fn(decay)(averages, current, made)  # type: ignore[no-untyped-call]

    average = AveragedModel(model, multi_avg_fn=move, use_buffers=True)
    return average


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the model's weights on the CPU, which later steps leave alone."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
