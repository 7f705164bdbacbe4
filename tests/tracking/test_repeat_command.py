import shlex
from collections.abc import Callable
from dataclasses import replace

import pytest

from fer_tune.events import TrialStarted
from fer_tune.tracking import tags
from fer_tune.tracking.queries import find_study, find_trial
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.repeat_command import build_repeat_command
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.train.__main__ import build_parser
from fer_tune.trial_config import BASELINE, TrialConfig

Describe = Callable[..., StudyInfo]

SETTINGS = {"data": "/my faces/fer.csv", "epochs": 9, "train_faces": 500, "metric": "val/loss"}
CONFIG = TrialConfig(learning_rate=0.00031234567890123, residual=True, schedule="cosine")


def test_the_command_has_what_differs_from_the_baseline_and_the_seeds(describe: Describe) -> None:
    study = describe(settings=SETTINGS | {"skip_bad": True, "labels": None})
    command = build_repeat_command(study, TrialStarted(number=12, name="012", config=CONFIG))
    assert shlex.split(command)[:3] == ["fer-tune", "train", "--data=/my faces/fer.csv"]
    args = build_parser().parse_args(shlex.split(command)[2:])
    assert (args.epochs, args.train_faces, args.metric) == (9, 500, "val/loss")
    assert (args.seed, args.skip_bad, args.labels) == ((7, 12), True, None)
    assert args.set == ["residual=True", "learning_rate=0.00031234567890123", "schedule=cosine"]


def test_the_command_names_the_list_of_suspects_only_if_the_trial_leaves_them_out(
    describe: Describe,
) -> None:
    study = describe(settings=SETTINGS | {"suspects": "/lists/suspects.csv"})
    without = TrialConfig(labels="without_suspects", suspect_share=0.2)
    command = build_repeat_command(study, TrialStarted(number=12, name="012", config=without))
    args = build_parser().parse_args(shlex.split(command)[2:])
    assert str(args.suspects) == "/lists/suspects.csv"
    assert args.set == ["labels=without_suspects", "suspect_share=0.2"]
    command = build_repeat_command(study, TrialStarted(number=12, name="012", config=CONFIG))
    assert "suspects" not in command


@pytest.mark.parametrize("rule", ["exact", "near"])
def test_the_command_divides_the_faces_as_the_study_did(describe: Describe, rule: str) -> None:
    study = describe(settings=SETTINGS | {"split_rule": rule})
    command = build_repeat_command(study, TrialStarted(number=12, name="012", config=CONFIG))
    assert build_parser().parse_args(shlex.split(command)[2:]).split_rule == rule


@pytest.mark.parametrize("seed", [None, 3])
def test_a_training_of_its_own_has_its_own_seed(describe: Describe, seed: int | None) -> None:
    study = replace(describe(), training_seed=seed)
    command = build_repeat_command(study, TrialStarted(number=0, name="000", config=BASELINE))
    assert command == f"fer-tune train --epochs=4 --seed={'7:0' if seed is None else seed}"


def test_the_page_of_a_trial_has_the_command(store: Store, describe: Describe) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    recorder.record_events([TrialStarted(number=3, name="003", config=BASELINE)])
    trial = find_trial(store, find_study(store, describe().name), 3)
    note = store.client.get_run(trial.run_id).data.tags[tags.NOTE]
    assert "```sh\nfer-tune train --epochs=4 --seed=7:3\n```" in note
