"""Full training of one configuration, and its single test."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.data.faces import Faces
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FaceClassifier
from fer_tune.scoring import calibration
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult, find_best_epoch
from fer_tune.scoring.predictions import Predictions
from fer_tune.trial import checkpoint
from fer_tune.trial.device import pick_device
from fer_tune.trial.epoch_result import ClassPredictions, build_epoch_result, score_votes
from fer_tune.trial.gpu_errors import explain_out_of_memory
from fer_tune.trial.train_state import TrialSpec


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained network with the weights of its best epoch, or several networks.

    model: the model, with its temperature.
    best: best epoch, chosen by the validation faces alone. With test-time augmentation or several
        networks, the scores are those of the model.
    test: evaluation of the model on the test faces.
    """

    model: FaceClassifier
    best: EpochResult
    test: Evaluation

    def measure_uncalibrated_error(self) -> float:
        """Return the calibration error on the test faces that the model has without temperature."""
        probabilities = self.test.predictions.probabilities
        assert probabilities is not None
        before = calibration.apply_temperature(probabilities, 1 / self.model.temperature)
        return calibration.measure_calibration_error(before, self.test.predictions.truth)


@explain_out_of_memory()
def train_and_test(
    spec: TrialSpec,
    data: TrialData,
    test_faces: Faces,
    folder: Directory,
    on_epoch: Callable[[EpochResult], None],
    warn: checkpoint.WarnFunction = warnings.warn,
) -> TrainedModel:
    """Train a configuration, then score the weights of its best epoch on the test faces.

    folder: folder of the checkpoint, written after each epoch. If training stops, the same call
        resumes it.
    on_epoch: called after each epoch; a resumed training calls it for the earlier epochs too.
    warn: called with the reason if a checkpoint cannot be used.

    Raises Diverged if a loss becomes NaN or infinite, and UserError if the GPU has too little
    memory.
    """
    device = pick_device()
    state = checkpoint.load_or_init(spec, data, device, folder, warn)
    for result in checkpoint.fit_with_checkpoints(spec, state, data, device, folder):
        on_epoch(result)
    best = find_best_epoch(state.history, spec.metric)
    assert best is not None
    state.model.load_state_dict(state.best_weights)
    model = FaceClassifier([state.model], spec.tta)
    validation = calibrate_model(model, data)
    if spec.tta != "none":
        best = measure_model(model, data, validation, best.epoch)
    return TrainedModel(model, best, evaluate_classifier(model, test_faces, data.classes))


def calibrate_model(model: FaceClassifier, data: TrialData) -> ClassPredictions:
    """Fit the model's temperature on the validation faces, and return its predictions for them."""
    model.temperature, labels = 1.0, data.validation.labels
    probabilities = model.predict_probabilities(data.validation.images)
    model.temperature = calibration.fit_temperature(probabilities, labels)
    calibrated = calibration.apply_temperature(probabilities, model.temperature)
    return ClassPredictions.from_probabilities(calibrated, labels)


def measure_model(
    model: FaceClassifier, data: TrialData, validation: ClassPredictions, epoch: int
) -> EpochResult:
    """Return the result of a model on the faces of a trial, as that of an epoch.

    validation: its predictions for the validation faces.
    """
    probabilities = model.predict_probabilities(data.train_sample.images)
    train = ClassPredictions.from_probabilities(probabilities, data.train_sample.labels)
    return build_epoch_result(data, train, validation, epoch)


def evaluate_classifier(model: FaceClassifier, faces: Faces, classes: Sequence[str]) -> Evaluation:
    """Return the evaluation on faces that are not augmented, in evaluation mode.

    Without test-time augmentation (TTA), the mirror images are predicted too: a trial of TTA.
    """
    plain, mirrored = model.predict_probabilities(faces.images), None
    if model.tta == "none":
        mirrored = model.predict_probabilities(faces.images[:, :, ::-1])
    predictions = Predictions.from_probabilities(faces.labels, plain, mirrored, faces.names)
    votes = score_votes(faces, predictions.predicted, len(classes))
    return Evaluation(classes, predictions, votes=votes)
