"""An estimate of the time of an ablation, measured on this machine."""

import math
from collections.abc import Sequence
from statistics import fmean

import torch

from fer_tune.data.faces import SIDE
from fer_tune.model import FerNet
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.tune.resources import ResourceAllocation
from fer_tune.study.tune.shared_data import StudyData, count_faces
from fer_tune.trial.gpu_errors import explain_out_of_memory
from fer_tune.trial.gpu_sharing import EndlessTrial, take_subset
from fer_tune.trial.model_cost import count_multiply_adds
from fer_tune.trial_config import BASELINE, TrialConfig

_STEPS = 3  # of a measured epoch
_SECONDS = 4.0  # for the measurement of one configuration


@explain_out_of_memory()
def estimate_seconds(
    settings: StudySettings,
    faces: StudyData,
    points: Sequence[TrialConfig],
    resources: ResourceAllocation,
) -> list[float]:
    """Return how long each configuration trains on this machine.

    The first two are measured, with few faces. Others take as long as the one of these with the
    most similar number of multiply-adds, scaled by this number.

    points: the baseline, the configuration with all changes, and others.

    Raises UserError if the GPU has too little memory.
    """
    data, measured = faces[BASELINE.data_plan], list[tuple[int, float]]()
    for config in points[:2]:
        few = take_subset(data, _STEPS * config.batch_size)
        trial = EndlessTrial(few, config, resources.cpus)
        trial.measure_speed(0, resources.gpus)  # the first epoch is slower
        speed = trial.measure_speed(_SECONDS, resources.gpus).faces_per_second
        measured.append((_count_multiply_adds(config, len(data.classes)), 1 / speed))

    def estimate(config: TrialConfig) -> float:
        own, count = _count_multiply_adds(config, len(data.classes)), count_faces(faces, config)
        ratios = [(own / other, seconds) for other, seconds in measured]
        nearest = min(abs(math.log(ratio)) for ratio, _ in ratios)
        per_face = [r * seconds for r, seconds in ratios if abs(math.log(r)) == nearest]
        return settings.epochs * (count or 0) * fmean(per_face)

    return [estimate(config) for config in points]


def _count_multiply_adds(config: TrialConfig, classes: int) -> int:
    with torch.device("meta"):  # takes no memory and no time
        model = FerNet(config, classes).eval()
        return count_multiply_adds(model, torch.zeros(1, 1, SIDE, SIDE))
