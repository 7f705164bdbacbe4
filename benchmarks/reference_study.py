"""python -m benchmarks.reference_study: the reference study, written as Ray's guides show.

It follows "Running Tune experiments with Optuna" and "Using MLflow with Tune" in Ray's
documentation: OptunaSearch, ASHAScheduler and MLflowLoggerCallback on SQLite. Only the last
checkpoint of each trial is stored, and none in MLflow, which is the faster choice.
"""

import argparse
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reference_trainable import train_trial

EXPERIMENT = "reference"


def run_reference_study(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the whole study; return each trial's configuration and the seconds of its epochs."""
    import ray

    points = json.loads(options.points.read_text())
    database = f"sqlite:///{options.out}/mlflow.db"
    _create_database(database, options.out)
    ray.init(num_cpus=options.concurrent, include_dashboard=False)
    results = _make_tuner(options, points, database).fit()
    trials = [
        {"config": trial.config, "seconds": trial.metrics_dataframe["seconds"].tolist()}
        for trial in results
    ]
    ray.shutdown()
    return trials


def _make_tuner(options: argparse.Namespace, points: list[dict[str, Any]], database: str) -> Any:
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    trainable = partial(
        train_trial, folder=options.faces, epochs=options.epochs, workers=options.workers
    )
    asha = ASHAScheduler(
        max_t=options.epochs, grace_period=options.grace, reduction_factor=options.reduction
    )
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={
            "learning_rate": tune.loguniform(1e-5, 1e-2),
            "dropout": tune.uniform(0.0, 0.7),
            "depth": tune.randint(1, 6),
            "data_plan": tune.choice(["original", "balanced", "oversampled", "sqrt_sampler"]),
            "batch_size": 128,
        },
        tune_config=tune.TuneConfig(
            metric="val_macro_f1",
            mode="max",
            search_alg=OptunaSearch(points_to_evaluate=points, seed=0),
            scheduler=asha,
            num_samples=len(points),
            reuse_actors=options.reuse_actors,
        ),
        run_config=tune.RunConfig(
            name=EXPERIMENT,
            storage_path=str(options.out),
            callbacks=[MLflowLoggerCallback(tracking_uri=database, experiment_name=EXPERIMENT)],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
        ),
    )


def _create_database(uri: str, folder: Path) -> None:
    # MLflow migrates a new database on its first use. Two processes must not do this at once.
    from mlflow import MlflowClient

    MlflowClient(uri).create_experiment(EXPERIMENT, artifact_location=f"file://{folder}/artifacts")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the study and write `trials.json` next to its records."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reference_study", description=__doc__
    )
    parser.add_argument(
        "--faces", type=Path, required=True, help="folder with train/ and validation/"
    )
    parser.add_argument(
        "--points", type=Path, required=True, help="JSON file with each trial's configuration"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for all records")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--grace", type=int, default=1)
    parser.add_argument("--reduction", type=int, default=2)
    parser.add_argument("--concurrent", type=int, default=2)
    parser.add_argument(
        "--workers", type=int, default=0, help="worker processes of each DataLoader"
    )
    parser.add_argument("--reuse-actors", action="store_true")
    options = parser.parse_args(argv)
    trials = run_reference_study(options)
    (options.out / "trials.json").write_text(json.dumps(trials))


if __name__ == "__main__":
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    main()
