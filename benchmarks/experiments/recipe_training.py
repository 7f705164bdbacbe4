"""The training of a recipe: fer_tune's own, with the recipe's changes."""

import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.experiments.recipes import (
    Recipe,
    change_network,
    list_muon_weights,
    make_muon,
    shrink_images,
)
from fer_tune.data.trial_data import TrialData
from fer_tune.model import scale_pixels
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial.augment import augment_images, make_mixup_function
from fer_tune.trial.device import pick_device, use_autocast
from fer_tune.trial.epoch_result import build_epoch_result
from fer_tune.trial.self_distillation import distill_labels
from fer_tune.trial.train_state import TrainState, TrialSpec, build_state, init_state, make_schedule
from fer_tune.trial.training_loop import DeviceData, predict_classes
from fer_tune.trial_config import count_steps_per_epoch, derive_seed


class RecipeTraining:
    """The training of a recipe: fer_tune's own, with the recipe's changes.

    multiply_adds: of the training steps so far, in forward and backward passes.
    core_seconds: processor time of the training steps so far.
    """

    def __init__(self, spec: TrialSpec, recipe: Recipe, data: TrialData) -> None:
        self.spec, self.recipe, self.device = spec, recipe, pick_device()
        self.faces = DeviceData.from_faces(data.training.faces, self.device, spec.config.labels)
        weights = data.training.sampling_weights
        self.sampling_weights = None if weights is None else torch.from_numpy(weights.copy())
        self.classes = len(data.classes)
        self.state, self.others = self._init_state()
        self.mix = make_mixup_function(spec.config.mixup, self.classes)
        self.sides = torch.rand(len(self.faces)) < 0.5
        self.memory = torch.zeros(len(self.faces), self.classes)
        self.multiply_adds, self.core_seconds = 0, 0.0

    def _init_state(self) -> tuple[TrainState, list[tuple[Optimizer, LRScheduler]]]:
        """Return the state before the first epoch, with further optimizers and their schedules."""
        config, count, recipe = self.spec.config, len(self.faces), self.recipe
        model = init_state(self.spec, count, self.classes, self.device).model
        change_network(model, recipe)
        model.to(memory_format=torch.channels_last)
        state = build_state(self.spec, count, model)
        if not recipe.muon:
            return state, []
        muon = make_muon(list_muon_weights(model), recipe, config)
        steps = self.spec.epochs * count_steps_per_epoch(count, config)
        config = config.model_copy(update={"learning_rate": recipe.muon})
        return state, [(muon, make_schedule(muon, config, steps))]

    def run(self, data: TrialData) -> Iterator[EpochResult]:
        """Train all epochs; yield their results."""
        sample, validation = (
            DeviceData.from_faces(faces, self.device)
            for faces in (data.train_sample, data.validation)
        )
        while (epoch := self.state.epochs_done) < self.spec.epochs:
            torch.manual_seed(derive_seed(self.spec.seed, epoch))
            start = time.process_time()
            self._train_epoch(epoch)
            self.core_seconds += time.process_time() - start
            model = self.state.evaluated_model
            train, predicted = (predict_classes(model, faces) for faces in (sample, validation))
            self.state.history.append(build_epoch_result(data, train, predicted, epoch + 1))
            yield self.state.history[-1]

    def _train_epoch(self, epoch: int) -> None:
        self.state.model.train()
        if self.sampling_weights is None:
            order = torch.randperm(len(self.faces))
        else:
            order = torch.multinomial(self.sampling_weights, len(self.faces), replacement=True)
        for number, batch in enumerate(torch.split(order, self.spec.config.batch_size)):
            if number:
                self._step(batch, epoch)
                continue
            with FlopCounterMode(display=False) as counter:
                self._step(batch, epoch)
            self.multiply_adds += int(counter.get_total_flops() / 2 * len(order) / len(batch))

    def _step(self, batch: Tensor, epoch: int) -> None:
        config, recipe = self.spec.config, self.recipe
        # Each face is flipped in every second epoch, or else at random.
        is_flipped = self.sides[batch] ^ (epoch % 2 == 1) if recipe.flip == "alternating" else None
        images = scale_pixels(self.faces.images[batch])
        images = augment_images(images, config.augmentation, is_flipped)
        if epoch < recipe.small_share * self.spec.epochs:
            images = shrink_images(images)
        labels = self.faces.labels[batch]
        if recipe.memory:
            labels = self._recall_labels(labels, batch, epoch)
        images, labels = self.mix(images, labels)
        if not recipe.memory:
            labels = distill_labels(labels, images, self.spec, self.state)
        with use_autocast(self.device):
            logits = self.state.model(images)
        if recipe.memory:
            self._remember(logits, batch)
        logits = logits.float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
        self.state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, schedule in self.others:
            optimizer.step()
            schedule.step()
        self.state.step_optimizer()

    def _recall_labels(self, labels: Tensor, batch: Tensor, epoch: int) -> Tensor:
        """Mix labels with the mean of earlier predictions, as far as there are any."""
        share = self.spec.config.self_distillation * epoch / self.spec.epochs
        past = self.memory[batch]
        total = past.sum(1, keepdim=True)
        shares = functional.one_hot(labels, self.classes).float()
        return torch.where(
            total > 0, torch.lerp(shares, past / total.clamp(min=1e-6), share), shares
        )

    @torch.no_grad()
    def _remember(self, logits: Tensor, batch: Tensor) -> None:
        kept, predicted = self.recipe.memory, logits.detach().float().softmax(1)
        self.memory[batch] = kept * self.memory[batch] + (1 - kept) * predicted
