"""A study by Syne Tune on the same table, in Syne Tune's own simulator.

Runs in a Python with Syne Tune and without fer_tune:
python -m benchmarks.replay.syne_tune_studies SYSTEM TASK.json   prints JSON
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.replay.surrogate_forest import SurrogateForest

# Schedulers of syne_tune.optimizer.baselines with their defaults: grace 1, reduction 3.
SYSTEMS = {"Syne Tune ASHA": "ASHA", "Syne Tune BOHB": "BOHB", "Syne Tune CQR": "ASHACQR"}
POLL_SECONDS = 1.0  # simulated seconds between two polls of the trials


def run_study(task: dict[str, Any], system: str) -> list[tuple[float, int, int, float]]:
    """Run a study; return time, trial, epoch and score of each polled epoch, in order."""
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
    from syne_tune.constants import ST_TUNER_TIME
    from syne_tune.optimizer import baselines

    ended: list[tuple[float, int, int, float]] = []

    class EpochRecorder(SimulatorCallback):  # type: ignore[misc]
        def on_trial_result(
            self, trial: Any, status: str, result: dict[str, Any], decision: str
        ) -> None:
            when = float(result[ST_TUNER_TIME])
            ended.append((when, trial.trial_id, int(result["epoch"]), float(result["score"])))

        def store_results(self) -> None:
            """Write nothing."""

    scheduler = getattr(baselines, SYSTEMS[system])(
        _convert_space(task),
        metric="score",
        time_attr="epoch",
        max_t=task["length"],
        do_minimize=False,
        random_seed=task["seed"],
    )
    np.random.seed(task["seed"])  # seeds the draw of brackets
    Tuner(
        trial_backend=_make_backend(task),
        scheduler=scheduler,
        stop_criterion=StoppingCriterion(max_num_evaluations=task["epochs"]),
        n_workers=task["workers"],
        sleep_time=0,
        callbacks=[EpochRecorder()],
        save_tuner=False,
    ).run()
    return sorted(ended)[: task["epochs"]]


def _make_backend(task: dict[str, Any]) -> Any:
    """Return a backend that predicts from the table, in simulated time."""
    from syne_tune.blackbox_repository.blackbox import Blackbox
    from syne_tune.blackbox_repository.simulated_tabular_backend import UserBlackboxBackend
    from syne_tune.config_space import randint

    scores, seconds = (
        SurrogateForest(task["parameters"], task["configs"], task[name])
        for name in ("scores", "seconds")
    )

    class ForestBlackbox(Blackbox):  # type: ignore[misc]
        fidelity_values = np.arange(1, task["length"] + 1)

        def objective_function(
            self, configuration: dict[str, Any], fidelity: Any = None, seed: Any = None
        ) -> Any:
            return np.column_stack([scores(configuration), np.cumsum(seconds(configuration))])

    class ForestBackend(UserBlackboxBackend):  # type: ignore[misc]
        def config_objectives(self, config: dict[str, Any], seed: Any) -> list[dict[str, Any]]:
            rows = self.blackbox.objective_function(config)
            return [
                {"epoch": n, "score": row[0], "elapsed": row[1]} for n, row in enumerate(rows, 1)
            ]

    box = ForestBlackbox(
        _convert_space(task), {"epoch": randint(1, task["length"])}, ["score", "elapsed"]
    )
    return ForestBackend(box, elapsed_time_attr="elapsed", tuner_sleep_time=POLL_SECONDS)


def _convert_space(task: dict[str, Any]) -> dict[str, Any]:
    return {name: _convert_parameter(value) for name, value in task["parameters"].items()}


def _convert_parameter(parameter: dict[str, Any]) -> Any:
    from syne_tune import config_space

    if parameter["type"] == "choice":
        return config_space.choice(parameter["values"])
    low, high, log = parameter["low"], parameter["high"], parameter.get("log")
    if parameter["type"] == "float":
        return config_space.loguniform(low, high) if log else config_space.uniform(low, high)
    if log:
        return config_space.lograndint(low, high)
    size = (high - low) // parameter.get("step", 1) + 1
    return config_space.finrange(low, high, size, cast_int=True)


def main() -> None:
    """Print the study's epochs."""
    system, path = sys.argv[1:]
    task = json.loads(Path(path).read_text())
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        os.environ["SYNETUNE_FOLDER"] = folder
        epochs = run_study(task, system)
    print(json.dumps(epochs))


if __name__ == "__main__":
    main()
