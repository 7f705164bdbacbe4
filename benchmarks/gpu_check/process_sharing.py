"""Speed of several trials that share the GPU, in processes without Ray."""

from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.gpu_check.demo_faces import make_trial_data
from benchmarks.processes import start_warm_worker
from fer_tune.common.errors import UserError
from fer_tune.data.trial_data import TrialData
from fer_tune.trial.gpu_sharing import (
    MAX_TRAINING_FACES,
    TRIAL_COUNTS,
    EndlessTrial,
    MeasureFunction,
    SharingSpeed,
    SharingSpeeds,
    measure_sharing,
)

_trials: list[EndlessTrial] = []  # of a worker process: its only trial


def measure_process_sharing(
    report: Callable[[str], None], max_trials: int = TRIAL_COUNTS[-1]
) -> SharingSpeeds:
    """Train the baseline 1, 2, 4 and 8 times at once, as `--gpus-per-trial auto` does.

    It ends at the first number of trials for which the GPU has too little memory.

    Raises UserError if one trial does not fit.
    """
    faces, speeds = make_trial_data(MAX_TRAINING_FACES, MAX_TRAINING_FACES // 8), {}
    with ExitStack() as stack:

        def start_trial() -> MeasureFunction:
            worker = stack.enter_context(start_warm_worker())
            worker.submit(_set_up_trial, faces).result()
            return lambda seconds, share: worker.submit(_measure_speed, seconds, share)

        report("trials at once: starting processes")
        for count, speed in measure_sharing(start_trial, max_trials):
            speeds[count] = speed
            report(f"trials at once: {count} of {max_trials}")
    if not speeds:
        raise UserError("the GPU has too little memory for a trial; end what else runs on it")
    return speeds


def _set_up_trial(faces: TrialData) -> None:
    _trials.append(EndlessTrial(faces))


def _measure_speed(seconds: float, share: float) -> SharingSpeed:
    return _trials[0].measure_speed(seconds, share)
