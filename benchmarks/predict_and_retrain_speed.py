"""Speed of the steps after a study: prediction with a registered model, and retraining."""

import time
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from benchmarks.benchmark_faces import load_benchmark_splits, repeat_faces
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import start_warm_worker
from benchmarks.training_speed import TrainingJob, make_trial_data
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.models.log_model import load_model, log_model
from fer_tune.tracking.store import open_store
from fer_tune.trial.device import pick_device
from fer_tune.trial.train_and_test import train_and_test
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import BASELINE

TEST_FACES = 3_589  # of FER2013's test split


def measure_predict_and_retrain_speed(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Measure the first prediction, and an epoch of retraining beside one of a trial."""
    return [_measure_prediction(setup), _measure_retraining(setup)]


def _measure_prediction(setup: BenchmarkSetup) -> BenchmarkResult:
    store = open_store(str(setup.folder / "mlruns"))
    run_id = store.client.create_run(store.experiment_id).info.run_id
    model_uri = log_model(
        store, run_id, FaceClassifier([FerNet(BASELINE, len(EMOTIONS))]), EMOTIONS
    )
    samples, loads = [], []
    for repeat in range(setup.repeats):
        with start_warm_worker() as process:
            job = process.submit(measure_first_prediction, store.uri, model_uri, setup.faces)
            load, seconds = job.result()
        loads.append(load)
        samples.append(seconds)
        setup.report_progress(
            f"predict: {repeat + 1}/{setup.repeats} {seconds:.2f} s, loading {load:.1f} s"
        )
    what = f"first prediction of {TEST_FACES:,} faces, after the model is loaded"
    return BenchmarkResult("j", what, "s", samples, Target("at most", 4), {"loading_s": loads})


def measure_first_prediction(uri: str, model_uri: str, path: Path | None) -> tuple[float, float]:
    """Return the seconds to load the model, and those of its first prediction."""
    images = repeat_faces(load_benchmark_splits(path).train, TEST_FACES).images
    began = time.perf_counter()
    model = load_model(open_store(uri), model_uri)
    loaded = time.perf_counter()
    table = model.predict(images)
    predicted = time.perf_counter()
    assert isinstance(table, pd.DataFrame)
    assert len(table) == TEST_FACES
    return loaded - began, predicted - loaded


def _measure_retraining(setup: BenchmarkSetup) -> BenchmarkResult:
    job = TrainingJob(setup.faces, setup.folder, 512 if setup.quick else 2_560)
    samples, seconds = [], []
    with start_warm_worker() as process:
        for repeat in range(setup.repeats + 1):
            trial = process.submit(measure_trial_epoch, job).result()
            folder = setup.folder / str(repeat)
            retrain = process.submit(measure_retrain_epoch, job, folder).result()
            if repeat:  # the first repeat warms up
                samples.append(retrain / trial)
                seconds.append([retrain, trial])
    setup.report_progress(
        f"predict: an epoch of retraining takes {median(samples):.2f} times a trial's"
    )
    what = "an epoch of retraining, over the same epoch of a trial"
    return BenchmarkResult("j", what, "x", samples, None, {"retraining_and_trial_s": seconds})


def measure_trial_epoch(job: TrainingJob) -> float:
    """Return the seconds of an epoch of a trial."""
    torch.set_num_threads(1)
    faces, task = make_trial_data(job), TrialSpec(BASELINE, epochs=2, seed=0)
    state = init_state(task, len(faces.training.faces), len(faces.classes), pick_device())
    return median(float(result.seconds) for result in fit(task, state, faces, pick_device()))


def measure_retrain_epoch(job: TrainingJob, folder: Path) -> float:
    """Return the seconds of an epoch as `fer_tune.retrain` trains it."""
    torch.set_num_threads(1)
    faces, task = make_trial_data(job), TrialSpec(BASELINE, epochs=2, seed=0)
    folder.mkdir()
    results: list[EpochResult] = []
    train_and_test(task, faces, faces.validation, DiskDirectory(folder), results.append)
    return median(float(result.seconds) for result in results)
