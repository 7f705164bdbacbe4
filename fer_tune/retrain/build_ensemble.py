"""The ensemble of a retraining: the mean of the networks of all seeds, as one model."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.model import FaceClassifier
from fer_tune.retrain.train_seeds import RetrainSpec
from fer_tune.scoring.calibration import apply_temperature
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.predictions import Predictions
from fer_tune.tracking.models.log_model import load_classifier
from fer_tune.tracking.retrain_run import RetrainRun
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store
from fer_tune.trial.epoch_result import score_votes
from fer_tune.trial.train_and_test import TrainedModel, calibrate_model, measure_model


def load_or_build_ensemble(
    console: Console,
    store: Store,
    run: RetrainRun,
    spec: RetrainSpec,
    outcomes: Sequence[SeedOutcome],
) -> SeedOutcome:
    """Return the results of the networks' mean; build and log it unless this has been done."""
    if finished := run.find_finished_seed(*spec.seeds):
        return finished
    with show_step(console, f"averaging {len(spec.seeds)} networks"):
        trained = average_networks(store, spec, outcomes)
        with run.open_seed_run(*spec.seeds) as ensemble_run:
            return ensemble_run.log_outcome(trained)


def average_networks(
    store: Store, spec: RetrainSpec, outcomes: Sequence[SeedOutcome]
) -> TrainedModel:
    """Return the mean of the networks, with a temperature of its own.

    The networks are not shown the test faces again. Their recorded probabilities are averaged.
    """
    splits, data = spec.info.splits, spec.build_data(spec.seeds[0])
    members = [load_classifier(store, outcome.model_uri)[0] for outcome in outcomes]
    networks = [network for member in members for network in member.networks]
    model = FaceClassifier(networks, spec.info.tta)
    last_epoch = max(outcome.best.epoch for outcome in outcomes)
    best = measure_model(model, data, calibrate_model(model, data), last_epoch)

    uncalibrated = []
    for outcome, member in zip(outcomes, members, strict=True):
        own = outcome.test.predictions.probabilities
        if own is None:  # an earlier version of fer_tune tested this network
            own = member.predict_probabilities(splits.test.images)
        uncalibrated.append(apply_temperature(own, 1 / member.temperature))
    mean, truth = np.mean(uncalibrated, axis=0), splits.test.labels
    probabilities = apply_temperature(mean, model.temperature)
    predictions = Predictions.from_probabilities(truth, probabilities, names=splits.test.names)
    votes = score_votes(splits.test, predictions.predicted, len(splits.classes))
    return TrainedModel(model, best, Evaluation(splits.classes, predictions, votes=votes))
