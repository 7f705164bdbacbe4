"""The state of a trial: everything that changes from epoch to epoch."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn

from fer_tune.model import FerNet
from fer_tune.model_config import TtaName
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial_config import TrialConfig, count_steps_per_epoch


@dataclass(frozen=True)
class TrialSpec:
    """The specification of one trial.

    epochs: maximum number of epochs; the learning rate schedule spans them.
    seed: seed of the weights, the order of the faces, dropout and augmentation.
    metric: metric that chooses the best epoch; a name of `build_epoch_metrics`.
    tta: views over which the trained network averages; no view more while it is trained.
    """

    config: TrialConfig
    epochs: int
    seed: int
    metric: str = "val/macro_f1"
    tta: TtaName = "none"


@dataclass(eq=False)
class TrainState:
    """The state of a trial between two epochs, and the whole content of a checkpoint.

    ema_model: exponential moving average (EMA) of the weights; None without averaging.
    history: results of the epochs done.
    best_weights: evaluated weights of the best epoch.
    """

    model: FerNet
    optimizer: Optimizer
    schedule: LRScheduler
    ema_model: AveragedModel | None = None
    history: list[EpochResult] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epochs_done(self) -> int:
        """The number of epochs done."""
        return len(self.history)

    @property
    def evaluated_model(self) -> FerNet:
        """The network that is evaluated and saved: the EMA, or the model without averaging."""
        model = self.model if self.ema_model is None else self.ema_model.module
        assert isinstance(model, FerNet)
        return model

    def step_optimizer(self) -> None:
        """Update the weights, the learning rate and the EMA by one step."""
        self.optimizer.step()
        self.schedule.step()
        if self.ema_model is not None:
            self.ema_model.update_parameters(self.model)


def init_state(
    spec: TrialSpec, face_count: int, class_count: int, device: torch.device
) -> TrainState:
    """Return the state of a trial before its first epoch.

    face_count: faces drawn in an epoch, from which the schedule gets its number of steps.
    """
    torch.manual_seed(spec.seed)
    model = FerNet(spec.config, class_count).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return build_state(spec, face_count, model)


def build_state(spec: TrialSpec, face_count: int, model: FerNet) -> TrainState:
    """Return the state of a trial before its first epoch, with a network of its own.

    face_count: as in `init_state`.
    """
    optimizer = _make_optimizer(model, spec.config)
    steps = count_steps_per_epoch(face_count, spec.config)
    schedule = make_schedule(optimizer, spec.config, spec.epochs * steps)
    return TrainState(model, optimizer, schedule, _make_ema(model, spec.config.averaging * steps))


def _make_optimizer(model: FerNet, config: TrialConfig) -> Optimizer:
    rate, decay, weights = config.learning_rate, config.weight_decay, model.parameters()
    match config.optimizer:
        case "adamw":
            return AdamW(weights, lr=rate, weight_decay=decay, fused=True)
        case "sgd":
            # The schedule `onecycle` moves the momentum between .85 and .95.
            return SGD(
                weights, lr=rate, momentum=0.9, nesterov=True, weight_decay=decay, fused=True
            )


def make_schedule(optimizer: Optimizer, config: TrialConfig, steps: int) -> LRScheduler:
    """Return the learning rate schedule of a trial with so many steps."""
    match config.schedule:
        case "constant":
            return LambdaLR(optimizer, lambda _: 1.0)
        case "cosine":
            return CosineAnnealingLR(optimizer, steps)
        case "onecycle":
            return OneCycleLR(optimizer, config.learning_rate, total_steps=steps)


def _make_ema(model: FerNet, steps: float) -> AveragedModel | None:
    """Return an exponential moving average over `steps`, over fewer in the first steps.

    The running statistics of batch normalisation are averaged too.
    """
    if steps == 0:
        return None

    def update(averages: PARAM_LIST, current: PARAM_LIST, _: Tensor | int) -> None:
        # The argument may be on a GPU, and reading it would wait for the GPU.
        done = int(average.n_averaged)
        decay = min(1 - 1 / max(steps, 1), (1 + done) / (10 + done))
        get_ema_multi_avg_fn(decay)(averages, current, done)  # type: ignore[no-untyped-call]

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    return average


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the model's weights on the CPU, which later steps do not change."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
