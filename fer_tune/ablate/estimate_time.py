"""An estimate of the time of an ablation, measured on this machine."""

import time
from collections.abc import Sequence
from statistics import fmean, median

import numpy as np
import torch

from fer_tune.data.faces import SIDE, Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.tune.resources import ResourceAllocation
from fer_tune.study.tune.shared_data import StudyData, count_faces
from fer_tune.trial.device import pick_device
from fer_tune.trial.gpu_errors import explain_out_of_memory
from fer_tune.trial.model_cost import count_multiply_adds
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import EVALUATION_BATCH, DeviceData, fit, predict_classes
from fer_tune.trial_config import BASELINE, TrialConfig

_STEPS = 3  # of a measured epoch
_EVALUATED = 16  # faces, so few that an epoch is training alone
_SECONDS = 4.0  # for the training of one configuration, at least two epochs
_EPOCHS = 100


class _Speed:
    """The measured speed of a configuration: seconds a face in training and in evaluation."""

    def __init__(self, config: TrialConfig, data: TrialData, resources: ResourceAllocation) -> None:
        torch.set_num_threads(resources.cpus)
        device, classes = pick_device(resources.gpus), len(data.classes)
        self.multiply_adds = _count_multiply_adds(config, classes)
        steps = _take_first(data.training.originals, _STEPS * config.batch_size)
        few = _take_first(data.validation, _EVALUATED)
        small = TrialData(TrainingFaces(steps), few, few, data.classes)
        spec = TrialSpec(config, _EPOCHS, seed=0)
        state = init_state(spec, len(steps), classes, device)
        began, samples = time.perf_counter(), list[float]()
        for result in fit(spec, state, small, device):
            samples.append(result.seconds)
            if len(samples) > 1 and time.perf_counter() - began > _SECONDS:
                break
        self.training = median(samples[1:]) / len(steps)  # the first epoch is slower
        faces = DeviceData.from_faces(_take_first(data.validation, EVALUATION_BATCH), device)
        model = state.evaluated_model
        predict_classes(model, faces)
        began = time.perf_counter()
        predict_classes(model, faces)
        self.evaluation = (time.perf_counter() - began) / len(faces)


def _take_first(faces: Faces, count: int) -> Faces:
    return faces.take(np.arange(min(count, len(faces))))


def _count_multiply_adds(config: TrialConfig, classes: int) -> int:
    with torch.device("meta"):  # takes no memory and no time
        model = FerNet(config, classes).eval()
        return count_multiply_adds(model, torch.zeros(1, 1, SIDE, SIDE))


@explain_out_of_memory()
def estimate_seconds(
    settings: StudySettings,
    faces: StudyData,
    points: Sequence[TrialConfig],
    resources: ResourceAllocation,
) -> list[float]:
    """Return how long each configuration trains on this machine.

    The first two are measured, in a few training steps and an evaluation. Others take as long as
    the one of these with the most similar number of multiply-adds, scaled by this number.

    points: the baseline, the configuration with all changes, and others.

    Raises UserError if the GPU has too little memory.
    """
    data = faces[BASELINE.data_plan]
    evaluated = len(data.validation) + len(data.train_sample)
    speeds = [_Speed(config, data, resources) for config in points[:2]]

    def estimate(config: TrialConfig) -> float:
        own, count = _count_multiply_adds(config, len(data.classes)), count_faces(faces, config)
        ratios = [own / speed.multiply_adds for speed in speeds]
        nearest = min(abs(np.log(ratio)) for ratio in ratios)
        epochs = [
            ratio * ((count or 0) * speed.training + evaluated * speed.evaluation)
            for ratio, speed in zip(ratios, speeds, strict=True)
            if abs(np.log(ratio)) == nearest
        ]
        return settings.epochs * fmean(epochs)

    return [estimate(config) for config in points]
