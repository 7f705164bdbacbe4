"""The faces of the check and of its tests: a sample of the demo faces."""

from pathlib import Path

import numpy as np

from benchmarks.gpu_check.bundled_files import BUNDLED_FACES
from fer_tune.data.faces import EMOTIONS, Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData

FACE_COUNT = 600


def load_demo_faces() -> Faces:
    """Return 600 demo faces, stratified by class."""
    if BUNDLED_FACES.exists():
        with np.load(BUNDLED_FACES) as arrays:
            return Faces(arrays["images"], arrays["labels"])
    from fer_tune.data.demo.demo_splits import draw_demo_splits
    from fer_tune.data.subsample import draw_stratified_sample

    return draw_stratified_sample(draw_demo_splits().train, FACE_COUNT, seed=0)


def save_demo_faces(path: Path) -> None:
    """Write the faces where `load_demo_faces` looks for them in a bundle."""
    faces = load_demo_faces()
    np.savez_compressed(path, images=faces.images, labels=faces.labels)


def make_trial_data(training_faces: int, evaluated_faces: int) -> TrialData:
    """Return data of any size: the demo faces repeat, and the same faces are evaluated."""
    faces = load_demo_faces()
    training, evaluated = (
        faces.take(np.resize(np.arange(len(faces)), count))
        for count in (training_faces, evaluated_faces)
    )
    return TrialData(TrainingFaces(training), evaluated, evaluated, EMOTIONS)
