"""Trainable of the reference study, written as the guides of Ray Tune and PyTorch show.

It follows "How to use Tune with PyTorch" in Ray's documentation. The trainable has image folders, a
DataLoader, a float32 network and Adam, and reports a checkpoint in every epoch. If the guide
leaves a choice, the reference takes the faster option. It uses no code of fer_tune.
"""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset, WeightedRandomSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Grayscale, ToTensor

COPIES = 11  # of each face in the balanced plan: the face and ten copies

Batches = DataLoader[tuple[Tensor, Tensor]]


def build_network(depth: int, dropout: float, classes: int) -> nn.Sequential:
    """Build the paper's network: `depth` convolution blocks, then three linear layers."""
    layers: list[nn.Module] = []
    channels, side = 1, 48
    for block in range(depth):
        width = 32 * 2**block
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        channels, side = width, side // 2
    layers += [nn.Flatten(), nn.Linear(channels * side * side, 512), nn.ReLU(), nn.Dropout(dropout)]
    layers += [nn.Linear(512, 256), nn.ReLU(), nn.Dropout(dropout), nn.Linear(256, classes)]
    return nn.Sequential(*layers)


def make_resampled_batches(faces: ImageFolder, plan: str, batch_size: int, workers: int) -> Batches:
    """Return batches of the training faces, resampled by data plan.

    Plans that fill up classes repeat unchanged faces, which costs the reference nothing.
    """
    load = partial(
        DataLoader, batch_size=batch_size, num_workers=workers, persistent_workers=workers > 0
    )
    labels = np.array(faces.targets)
    counts = np.bincount(labels)
    if plan == "original":
        return load(faces, shuffle=True)
    if plan == "sqrt_sampler":
        weights = (1 / np.sqrt(counts))[labels].tolist()
        return load(faces, sampler=WeightedRandomSampler(weights, len(faces)))
    least, most = counts.min(), counts.max()
    by_class = [np.flatnonzero(labels == label) for label in range(len(counts))]
    if plan == "balanced":
        indices = [np.tile(own[:least], COPIES) for own in by_class]
    else:  # oversampled
        indices = [np.resize(own, most) for own in by_class]
    return load(Subset(faces, np.concatenate(indices).tolist()), shuffle=True)


def make_validation_batches(faces: ImageFolder, batch_size: int, workers: int) -> Batches:
    return DataLoader(faces, batch_size, num_workers=workers, persistent_workers=workers > 0)


def choose_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_image_folder(folder: Path) -> ImageFolder:
    """Return class folders of images as a data set of (1, 48, 48) float32 in [0, 1]."""
    return ImageFolder(str(folder), Compose([Grayscale(), ToTensor()]))


def train_epoch(
    model: nn.Module, batches: Batches, optimizer: torch.optim.Optimizer, device: torch.device
) -> float:
    """Train for one epoch and return the mean loss of its batches."""
    model.train()
    total = 0.0
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item()
    return total / len(batches)


@torch.no_grad()
def validate(model: nn.Module, batches: Batches, device: torch.device) -> dict[str, float]:
    """Return loss, accuracy, macro F1, and precision, recall and F1 of each class."""
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

    model.eval()
    logits, labels = [], []
    for images, truth in batches:
        logits.append(model(images.to(device)).cpu())
        labels.append(truth)
    scores, truth = torch.cat(logits), torch.cat(labels)
    predicted = scores.argmax(1)
    by_class = precision_recall_fscore_support(truth, predicted, zero_division=0)
    return {
        "val_loss": float(nn.functional.cross_entropy(scores, truth)),
        "val_accuracy": float(accuracy_score(truth, predicted)),
        "val_macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0)),
        **{
            f"val_{measure}_{label}": float(value)
            for measure, values in zip(("precision", "recall", "f1"), by_class, strict=False)
            for label, value in enumerate(values)
        },
    }


def train_trial(config: dict[str, Any], folder: Path, epochs: int, workers: int) -> None:
    """Run a trial for Ray: train, validate and report with a checkpoint in every epoch."""
    from ray import tune

    torch.set_num_threads(1)
    device = choose_device()
    faces, batch_size = load_image_folder(folder / "train"), config["batch_size"]
    training = make_resampled_batches(faces, config["data_plan"], batch_size, workers)
    validation = make_validation_batches(
        load_image_folder(folder / "validation"), batch_size, workers
    )
    model = build_network(config["depth"], config["dropout"], len(faces.classes)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    for _ in range(epochs):
        began = time.perf_counter()
        metrics = {
            "train_loss": train_epoch(model, training, optimizer, device),
            **validate(model, validation, device),
            "seconds": time.perf_counter() - began,
        }
        with tempfile.TemporaryDirectory() as saved:
            state = (model.state_dict(), optimizer.state_dict())
            torch.save(state, Path(saved) / "checkpoint.pt")
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(saved))
