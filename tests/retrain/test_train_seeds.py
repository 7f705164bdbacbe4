import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.retrain import train_seeds
from fer_tune.retrain.train_seeds import RetrainSpec, load_or_train_baseline
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.tracking.queries import StudyRun, TrialRun
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.trial_config import BASELINE


@pytest.fixture
def spec(tmp_path: Path) -> RetrainSpec:
    study = StudyRun("study", "0", "finished", "val/macro_f1", {}, {})
    trial = TrialRun(0, "run", "baseline", BASELINE, "finished", 1, {}, {})
    info = RetrainInfo(study, trial, 1, draw_demo_splits(), "retrain")
    return RetrainSpec(info, StudyStorage(str(tmp_path)), range(1))


def test_a_retraining_continues_no_training_on_other_faces(spec: RetrainSpec) -> None:
    sample, order = {"train_faces": 300, "faces_seed": 0}, {"faces_seed": 0}
    infos = [replace(spec.info, faces_params=params) for params in ({}, sample, order)]
    specs = [replace(spec, info=info) for info in infos]
    assert len({str(each.checkpoint_directory) for each in specs}) == 3
    assert len({each.lock_path for each in specs}) == 3


def test_a_baseline_that_cannot_be_trained_loses_no_other_model(
    spec: RetrainSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ArithmeticError("the training loss became nan")

    monkeypatch.setattr(train_seeds, "list_trials", lambda *_: [spec.info.trial])
    monkeypatch.setattr(train_seeds, "_load_or_train_baseline_seeds", fail)
    printed = io.StringIO()
    assert load_or_train_baseline(Console(file=printed), Store("sqlite:///", "1"), spec) is None
    assert "no comparison with the baseline: the training loss became nan" in printed.getvalue()
