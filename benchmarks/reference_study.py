"""python -m benchmarks.reference_study: the peer's study, as the guides lead to it.

It follows "Running Tune experiments with Optuna" and "Using MLflow with Tune" in Ray's
documentation: OptunaSearch, ASHAScheduler and MLflowLoggerCallback on SQLite. Of each trial the
last checkpoint is kept, and none goes to MLflow, which is the faster choice.
"""

import argparse
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reference_trainable import train_trial


def run_reference_study(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The whole study; each trial's configuration, and the seconds of its epochs."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    points = json.loads(options.points.read_text())
    database = f"sqlite:///{options.out}/mlflow.db"
    _create_database(database, options.out)
    ray.init(num_cpus=options.concurrent, include_dashboard=False)
    trainable = partial(
        train_trial, folder=options.faces, epochs=options.epochs, workers=options.workers
    )
    results = tune.Tuner(
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
            scheduler=ASHAScheduler(
                max_t=options.epochs,
                grace_period=options.grace,
                reduction_factor=options.reduction,
            ),
            num_samples=len(points),
            reuse_actors=options.reuse_actors,
        ),
        run_config=tune.RunConfig(
            name="peer",
            storage_path=str(options.out),
            callbacks=[MLflowLoggerCallback(tracking_uri=database, experiment_name="peer")],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
        ),
    ).fit()
    trials = [
        {"config": each.config, "seconds": each.metrics_dataframe["seconds"].tolist()}
        for each in results
    ]
    ray.shutdown()
    return trials


def _create_database(uri: str, folder: Path) -> None:
    # MLflow migrates a new database on its first use, which must not happen in two places at once.
    from mlflow import MlflowClient

    MlflowClient(uri).create_experiment("peer", artifact_location=f"file://{folder}/artifacts")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the study and leave `trials.json` beside its records."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reference_study", description=__doc__
    )
    parser.add_argument("--faces", type=Path, required=True, help="holds train/ and validation/")
    parser.add_argument("--points", type=Path, required=True, help="JSON: what each trial is")
    parser.add_argument("--out", type=Path, required=True, help="takes every record")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--grace", type=int, default=1)
    parser.add_argument("--reduction", type=int, default=2)
    parser.add_argument("--concurrent", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help="of each DataLoader")
    parser.add_argument("--reuse-actors", action="store_true")
    options = parser.parse_args(argv)
    trials = run_reference_study(options)
    (options.out / "trials.json").write_text(json.dumps(trials))


if __name__ == "__main__":
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    main()
