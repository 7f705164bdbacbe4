"""Validation faces with the predictions of the best trial."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.data.faces import Faces
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import FaceSheet, PredictedFace
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions

MAX_MISTAKES = 24
_FACES_PER_CLASS, _MAX_FACES = 4, 40


def build_face_sheets(
    study: ReportedStudy, validation: Faces, checkpoint_directory: Directory
) -> list[FaceSheet]:
    """Return a sheet with faces of every class, and a sheet with the most confident mistakes.

    checkpoint_directory: holds the checkpoint of the best trial.
    Raises OSError or BadCheckpoint if the checkpoint cannot be used.
    """
    probabilities = predict_validation(study, validation, checkpoint_directory)
    predictions = Predictions.from_probabilities(validation.labels, probabilities)
    evaluation = Evaluation(study.classes, predictions)
    random = sample_per_class(validation.labels, len(study.classes))
    return [
        build_face_sheet("Random validation faces", evaluation, validation, random),
        build_mistake_sheet(evaluation, validation),
    ]


def build_mistake_sheet(evaluation: Evaluation, faces: Faces) -> FaceSheet:
    """Return a sheet with the most confident mistakes; `faces` are those of the evaluation."""
    worst = evaluation.find_worst_mistakes(MAX_MISTAKES)
    return build_face_sheet("The most confident mistakes", evaluation, faces, worst)


def build_face_sheet(
    heading: str, evaluation: Evaluation, faces: Faces, indices: Sequence[int]
) -> FaceSheet:
    """Return a sheet with the faces at these positions."""
    classes, predictions = evaluation.classes, evaluation.predictions
    shown = [
        PredictedFace(
            image=_encode_png(faces.images[index]),
            truth=classes[predictions.truth[index]],
            predicted=classes[predictions.predicted[index]],
            confidence=float(predictions.probability[index]),
            name=str(faces.names[index]),
        )
        for index in indices
    ]
    return FaceSheet(heading, shown)


def sample_per_class(labels: NDArray[np.int64], classes: int) -> list[int]:
    """Return the indices of random faces, equally many of each class.

    The same labels give the same indices.
    """
    rng = np.random.default_rng(0)
    count = max(1, min(_FACES_PER_CLASS, _MAX_FACES // classes))
    indices: list[int] = []
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        indices += rng.choice(members, min(count, len(members)), replace=False).tolist()
    return indices[:_MAX_FACES]


def predict_validation(
    study: ReportedStudy, validation: Faces, checkpoint_directory: Directory
) -> NDArray[np.float64]:
    """Return (N, C) probabilities from the weights of the best trial's best epoch."""
    from fer_tune.model import FaceClassifier, FerNet
    from fer_tune.trial import checkpoint
    from fer_tune.trial.device import pick_device, use_autocast

    network = FerNet(study.best.record.config, len(study.classes))
    checkpoint.load_best_weights(network, checkpoint_directory)
    with use_autocast(pick_device(0)):  # trials of a study may fill the GPU
        return FaceClassifier([network]).predict_probabilities(validation.images)


def _encode_png(
    image: NDArray[np.uint8],  # (48, 48)
) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
