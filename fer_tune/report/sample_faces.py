"""Validation faces as the best trial sees them."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import FaceSheet, PredictedFace

if TYPE_CHECKING:
    from fer_tune.common.filesystem import Directory

_FACES_PER_CLASS, _MAX_FACES, _MAX_MISTAKES = 4, 40, 24  # faces
_BATCH_SIZE = 512


def build_face_sheets(
    study: ReportedStudy, validation: Faces, checkpoint_directory: "Directory"
) -> list[FaceSheet]:
    """Some faces of each class, and the most confident mistakes.

    kept: where the best trial's checkpoint is.
    Raises OSError or BadCheckpoint where it cannot be used.
    """
    chances = predict_validation(study, validation, checkpoint_directory)

    def build_faces(chosen: Sequence[int]) -> list[PredictedFace]:
        return [_build_face(study.classes, validation, chances, index) for index in chosen]

    return [
        FaceSheet(
            "Validation faces, drawn at random: truth, and what the trial says",
            build_faces(sample_per_class(validation.labels, len(study.classes))),
        ),
        FaceSheet(
            "Its worst mistakes: wrong, and sure of it",
            build_faces(find_worst_mistakes(validation.labels, chances)),
        ),
    ]


def sample_per_class(labels: NDArray[np.int64], classes: int) -> list[int]:
    """Faces at random, as many of each class; the same for the same labels."""
    rng = np.random.default_rng(0)
    each = max(1, min(_FACES_PER_CLASS, _MAX_FACES // classes))
    chosen: list[int] = []
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        chosen += rng.choice(members, min(each, len(members)), replace=False).tolist()
    return chosen[:_MAX_FACES]


def find_worst_mistakes(
    labels: NDArray[np.int64],  # (N,)
    probabilities: NDArray[np.float32],  # (N, C)
) -> list[int]:
    """The wrong ones, the most confident first."""
    told, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    return [int(index) for index in order if told[index] != labels[index]][:_MAX_MISTAKES]


def predict_validation(
    study: ReportedStudy, validation: Faces, checkpoint_directory: "Directory"
) -> NDArray[np.float32]:
    """The probabilities that the best trial's best weights give: (N, C), rows summing to 1."""
    import torch

    from fer_tune.model import FerNet, scale_pixels
    from fer_tune.trial import checkpoint
    from fer_tune.trial.device import pick_device, use_autocast
    from fer_tune.trial.training_loop import DeviceData

    assert study.best is not None
    device = pick_device(0)  # a GPU may be full of a study's trials
    model = FerNet(study.best.record.config, len(study.classes))
    checkpoint.load_best_weights(model, checkpoint_directory)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = model.fuse_for_evaluation()
    batches = torch.split(DeviceData.from_faces(validation, device).images, _BATCH_SIZE)
    with torch.inference_mode(), use_autocast(device):
        logits = torch.cat([model(scale_pixels(images)).float() for images in batches])
    chances: NDArray[np.float32] = logits.softmax(dim=1).cpu().numpy()
    return chances


def _build_face(
    classes: Sequence[str], faces: Faces, probabilities: NDArray[np.float32], index: int
) -> PredictedFace:
    own = probabilities[index]
    return PredictedFace(
        image=_encode_png(faces.images[index]),
        truth=classes[faces.labels[index]],
        predicted=classes[int(own.argmax())],
        confidence=float(own.max()),
    )


def _encode_png(
    image: NDArray[np.uint8],  # (48, 48)
) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
