from collections.abc import Callable

import numpy as np

from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult
from fer_tune.scoring.predictions import Predictions
from fer_tune.scoring.significance import McNemarResult
from fer_tune.tracking import registry
from fer_tune.tracking.retrain_run import open_retrain_run
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.tracking.tested_retraining import find_tested_retraining
from fer_tune.trial.train_and_test import TrainedModel
from fer_tune.trial_config import TrialConfig


def test_a_study_has_no_tested_retraining_before_one_has_ended(
    store: Store, info: RetrainInfo
) -> None:
    with open_retrain_run(store, info):
        assert find_tested_retraining(store, info.study.name, EMOTIONS) is None


def test_the_registered_model_of_a_retraining_is_found_with_predictions_and_comparisons(
    store: Store, info: RetrainInfo, result: Callable[..., EpochResult]
) -> None:
    truth = np.arange(70) % 7
    probabilities = np.random.default_rng(0).dirichlet([1] * 7, 70)
    predictions = Predictions.from_probabilities(truth, probabilities, names=truth.astype(str))
    config = TrialConfig(depth=2, width=4, hidden_1=16, hidden_2=8)
    model = FaceClassifier([FerNet(config, len(EMOTIONS))])
    trained = TrainedModel(model, result(2, 76), Evaluation(EMOTIONS, predictions))
    with open_retrain_run(store, info) as run:
        for seed in range(2):
            with run.open_seed_run(seed) as seed_run:
                outcome = seed_run.log_outcome(trained)
        registry.register_model(store, outcome, info)
        run.log_mcnemar("paper", McNemarResult(4, 3, 0.9))
    tested = find_tested_retraining(store, info.study.name, EMOTIONS)
    assert tested is not None
    assert (tested.trial, [each.name for each in tested.models]) == (3, ["seed 0", "seed 1"])
    assert tested.registered.name == "seed 1"
    assert tested.comparisons == {"paper": McNemarResult(4, 3, 0.9)}
    found = tested.registered.test.predictions
    np.testing.assert_array_equal(found.predicted, predictions.predicted)
    assert find_tested_retraining(store, "another study", EMOTIONS) is None
