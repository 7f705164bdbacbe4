from pathlib import Path

import numpy as np
import pytest
import torch

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.retrain import build_ensemble
from fer_tune.retrain.build_ensemble import average_networks
from fer_tune.retrain.train_seeds import RetrainSpec
from fer_tune.scoring.evaluation import Evaluation
from fer_tune.scoring.metrics import EpochResult
from fer_tune.scoring.predictions import Predictions
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.tracking.queries import StudyRun, TrialRun
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.trial_config import TrialConfig

CONFIG = TrialConfig(depth=2, width=4, hidden_1=8, hidden_2=8)


@pytest.mark.parametrize("is_recorded", [True, False])
def test_the_recorded_probabilities_give_what_the_ensemble_itself_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    splits = draw_demo_splits()
    study = StudyRun("s", "0", "finished", "val/macro_f1", {}, {})
    trial = TrialRun(1, "1", "t", CONFIG, "finished", 1, {}, {})
    info = RetrainInfo(study, trial, 1, splits, "", tta="six")
    torch.manual_seed(0)
    members = {
        uri: FaceClassifier([FerNet(CONFIG, len(splits.classes))], "six", temperature)
        for uri, temperature in (("a", 0.3), ("b", 1.0), ("c", 4.0))
    }
    monkeypatch.setattr(
        build_ensemble, "load_classifier", lambda _, uri: (members[uri], splits.classes)
    )
    outcomes = []
    for seed, (uri, member) in enumerate(members.items()):
        said = member.predict_probabilities(splits.test.images)
        text = Predictions.from_probabilities(splits.test.labels, said).to_csv(splits.classes)
        if not is_recorded:  # as earlier versions wrote it
            lines = [line.split(",")[:4] for line in text.splitlines()]
            text = "\n".join(map(",".join, lines))
        predictions = Predictions.from_csv(text, splits.classes)
        assert (predictions.probabilities is not None) == is_recorded
        best = EpochResult(seed + 1, {"val/macro_f1": 0.5}, [])
        test = Evaluation(splits.classes, predictions)
        outcomes.append(SeedOutcome(seed, "", uri, best, test))

    spec = RetrainSpec(info, StudyStorage(str(tmp_path)), range(3))
    trained = average_networks(Store("", ""), spec, outcomes)
    assert [len(trained.model.networks), trained.model.tta] == [3, "six"]
    recorded = trained.test.predictions.probabilities
    assert recorded is not None
    expected = trained.model.predict_probabilities(splits.test.images)
    np.testing.assert_allclose(recorded, expected, atol=1e-4)
    predicted = trained.model.predict_probabilities(splits.validation.images).argmax(axis=1)
    assert trained.best.metrics["val/accuracy"] == np.mean(predicted == splits.validation.labels)
