"""What comes after a study: prediction with its model, and retraining."""

import time
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from benchmarks.benchmark_faces import bench_splits, repeated
from benchmarks.benchmark_result import Row, Setup, Target
from benchmarks.processes import one_process
from benchmarks.training_speed import Job, trial_faces_of
from fer_tune.common.filesystem import DiskDirectory
from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FerNet
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.models.log_model import load_model, log_model
from fer_tune.tracking.store import open_store
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_and_test import train_and_test
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import BASELINE

FACES = 3_589  # of FER2013's test split


def predict(setup: Setup) -> list[Row]:
    """The registered model's speed, and whether retraining is as fast as a trial."""
    return [_prediction(setup), _retraining(setup)]


def _prediction(setup: Setup) -> Row:
    store = open_store(str(setup.folder / "mlruns"))
    run_id = store.create_client().create_run(store.experiment_id).info.run_id
    address = log_model(store, run_id, FerNet(BASELINE, len(EMOTIONS)), BASELINE, EMOTIONS)
    samples, loads = [], []
    for repeat in range(setup.repeats):
        with one_process() as process:
            load, took = process.submit(predict_once, store.uri, address, setup.faces).result()
        loads.append(load)
        samples.append(took)
        setup.say(f"predict: {repeat + 1}/{setup.repeats} {took:.2f} s, loading {load:.1f} s")
    what = f"first prediction of {FACES:,} faces, model loaded"
    return Row("j", what, "s", samples, Target("at most", 4), {"loading_s": loads})


def predict_once(uri: str, address: str, path: Path | None) -> tuple[float, float]:
    """Seconds of loading the model, and of its first prediction."""
    images = repeated(bench_splits(path).train, FACES).images
    began = time.perf_counter()
    model = load_model(open_store(uri), address)
    loaded = time.perf_counter()
    table = model.predict(images)
    took = time.perf_counter() - loaded
    assert isinstance(table, pd.DataFrame)
    assert len(table) == FACES
    return loaded - began, took


def _retraining(setup: Setup) -> Row:
    job = Job(setup.faces, setup.folder, 512 if setup.quick else 2_560)
    samples, seconds = [], []
    with one_process() as process:
        for repeat in range(setup.repeats + 1):
            trial = process.submit(trial_epoch, job).result()
            again = process.submit(retraining_epoch, job, setup.folder / str(repeat)).result()
            if repeat:  # the first one warms up
                samples.append(again / trial)
                seconds.append([again, trial])
    setup.say(f"predict: an epoch of retraining takes {median(samples):.2f} of a trial's")
    what = "an epoch of retraining, over the same of a trial"
    return Row("j", what, "x", samples, None, {"retraining_and_trial_s": seconds})


def trial_epoch(job: Job) -> float:
    """Seconds of an epoch of a trial."""
    torch.set_num_threads(1)
    faces, task = trial_faces_of(job), TrialSpec(BASELINE, epochs=2, seed=0)
    state = init_state(task, len(faces.training.faces), len(faces.classes), pick_device())
    return median(float(result.seconds) for result in fit(task, state, faces, pick_device()))


def retraining_epoch(job: Job, folder: Path) -> float:
    """Seconds of an epoch as `fer_tune.retrain` trains."""
    torch.set_num_threads(1)
    faces, task = trial_faces_of(job), TrialSpec(BASELINE, epochs=2, seed=0)
    folder.mkdir()
    results: list[EpochResult] = []
    train_and_test(task, faces, faces.validation, DiskDirectory(folder), results.append)
    return median(float(result.seconds) for result in results)
