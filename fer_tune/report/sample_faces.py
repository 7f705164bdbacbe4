"""Validation faces as the best trial sees them."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import Face, Sheet

if TYPE_CHECKING:
    from fer_tune.common.filesystem import Folder

_BY_CLASS, _MOST, _WORST = 4, 40, 24  # faces
_BATCH = 512


def sheets(study: ReportedStudy, validation: Faces, kept: "Folder") -> list[Sheet]:
    """Some faces of each class, and the most confident mistakes.

    kept: where the best trial's checkpoint is.
    Raises OSError or BadCheckpoint where it cannot be used.
    """
    chances = predicted(study, validation, kept)

    def shown(chosen: Sequence[int]) -> list[Face]:
        return [_face(study.classes, validation, chances, index) for index in chosen]

    return [
        Sheet(
            "Validation faces, drawn at random: truth, and what the trial says",
            shown(some_of_each(validation.labels, len(study.classes))),
        ),
        Sheet(
            "Its worst mistakes: wrong, and sure of it", shown(worst(validation.labels, chances))
        ),
    ]


def some_of_each(labels: NDArray[np.int64], classes: int) -> list[int]:
    """Faces at random, as many of each class; the same for the same labels."""
    rng = np.random.default_rng(0)
    each = max(1, min(_BY_CLASS, _MOST // classes))
    chosen: list[int] = []
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        chosen += rng.choice(members, min(each, len(members)), replace=False).tolist()
    return chosen[:_MOST]


def worst(
    labels: NDArray[np.int64],  # (N,)
    chances: NDArray[np.float32],  # (N, C)
) -> list[int]:
    """The wrong ones, the most confident first."""
    told, confidence = chances.argmax(axis=1), chances.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    return [int(index) for index in order if told[index] != labels[index]][:_WORST]


def predicted(study: ReportedStudy, validation: Faces, kept: "Folder") -> NDArray[np.float32]:
    """The probabilities that the best trial's best weights give: (N, C), rows summing to 1."""
    import torch

    from fer_tune.model import FerNet, scaled
    from fer_tune.trial import checkpoint
    from fer_tune.trial.device import autocast, pick_device
    from fer_tune.trial.training_loop import OnDevice

    assert study.best is not None
    device = pick_device(0)  # a GPU may be full of a study's trials
    model = FerNet(study.best.config, len(study.classes))
    checkpoint.load_best(model, kept)
    model = model.to(device, memory_format=torch.channels_last).fused()  # type: ignore[call-overload]
    batches = torch.split(OnDevice.of(validation, device).images, _BATCH)
    with torch.inference_mode(), autocast(device):
        logits = torch.cat([model(scaled(images)).float() for images in batches])
    chances: NDArray[np.float32] = logits.softmax(dim=1).cpu().numpy()
    return chances


def _face(classes: Sequence[str], faces: Faces, chances: NDArray[np.float32], index: int) -> Face:
    own = chances[index]
    return Face(
        image=_png(faces.images[index]),
        truth=classes[faces.labels[index]],
        told=classes[int(own.argmax())],
        confidence=float(own.max()),
    )


def _png(
    image: NDArray[np.uint8],  # (48, 48)
) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
