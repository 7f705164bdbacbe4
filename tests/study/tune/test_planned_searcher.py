from typing import Any

import pytest
from ray.tune.search import Searcher

from fer_tune.events import EpochEnded, TrialEnded
from fer_tune.study.ablation_changes import build_ablation_space
from fer_tune.study.ablation_plan import list_missing_configs, list_planned_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecords, build_trial_started
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.planned_searcher import PlannedSearcher
from fer_tune.trial_config import BASELINE, TrialConfig
from tests.ablation import METRIC, add_gains, make_ablation
from tests.settings import make_settings

ABLATION = make_ablation(5)
SCORES = add_gains([0.01, 0.05, 0.04, 0.03, 0.02])
FIRST = len(ABLATION.list_first_points())
REPEATS: list[dict[str, Any]] = [{"number": 2_000_000 + number, "trial": {}} for number in (1, 3)]
MEMORY = {"failure": TrialFailure("memory", "OutOfMemoryError: CUDA"), "epoch": 0, METRIC: 0.0}


@pytest.fixture
def settings() -> StudySettings:
    """An ablation of five changes with one seed; each trial has one epoch."""
    space, trials = build_ablation_space(ABLATION), ABLATION.count_trials()
    changes = {"epochs": 1, "scheduler": "none", "trials": trials, "ablation": ABLATION}
    return make_settings("tested", "ablation", space, **changes)


class _Run:
    """A run of an ablation, as Ray and the callback conduct it."""

    def __init__(self, settings: StudySettings, records: TrialRecords) -> None:
        self.records, self._settings = records, settings
        self.searcher = PlannedSearcher(
            lambda: list_missing_configs(ABLATION, METRIC, records.to_list()), 0.25
        )

    def suggest(self) -> Any:
        """Return the next trial, under its number as Ray's id."""
        config = self.searcher.suggest("next")
        if isinstance(config, dict):
            number = config["number"]
            self.searcher._running[str(number)] = self.searcher._running.pop("next")
            trial = TrialConfig.model_validate(config["trial"])
            space = self._settings.space
            started = build_trial_started(number, trial, space, None)
            self.records.on_event(started.model_copy(update={"name": config["name"]}))
        return config

    def end(self, number: int) -> None:
        """Complete a trial with its score; without a score it fails."""
        planned = list_planned_trials(ABLATION, METRIC, self.records.to_list())[number]
        score = SCORES[planned.subset]
        result = {"epoch": 1, METRIC: score, "gap": 0.1}
        self.searcher.on_trial_complete(str(number), result)
        epoch = {"epoch": 1, "metrics": {METRIC: score, "gap": 0.1}, "confusion": []}
        event = {"kind": "epoch", "number": number, "result": epoch}
        self.records.on_event(EpochEnded.model_validate(event))
        self.records.on_event(TrialEnded(number=number, ending="finished"))


@pytest.fixture
def run(settings: StudySettings) -> _Run:
    return _Run(settings, TrialRecords(metric=METRIC))


def test_the_planned_trials_come_with_their_names_and_one_seed(run: _Run) -> None:
    configs = [run.suggest() for _ in range(FIRST)]
    assert [each["number"] for each in configs] == list(range(FIRST))
    assert [each["name"] for each in configs[:3]] == [
        "000 baseline",
        "001 all changes",
        "002 without network shape",
    ]
    assert len({each["seed_number"] for each in configs}) == 1
    trials = [TrialConfig.model_validate(each["trial"]) for each in configs]
    assert trials[0] == BASELINE
    assert trials[1] == BASELINE.model_copy(update=ABLATION.build_point(ABLATION.everything))
    assert len(set(trials)) == FIRST


def test_the_path_comes_when_all_others_have_ended(run: _Run) -> None:
    for _ in range(FIRST):
        run.suggest()
    for number in range(FIRST - 1):
        run.end(number)
        assert run.suggest() is None  # Ray waits
    run.end(FIRST - 1)
    path = [run.suggest() for _ in range(2)]
    assert [each["name"] for each in path] == [
        f"{FIRST:03d} path 2: + augmentation",
        f"{FIRST + 1:03d} path 3: + averaging",
    ]
    assert path[1]["trial"] == ABLATION.build_point(frozenset({1, 2, 3}))
    run.end(FIRST)
    run.end(FIRST + 1)
    assert run.suggest() == Searcher.FINISHED


def test_a_trial_out_of_memory_runs_again_while_the_path_waits(run: _Run) -> None:
    for _ in range(FIRST):
        run.suggest()
    for number in range(1, FIRST):
        run.end(number)
    run.searcher.on_trial_complete("0", MEMORY)
    run.records.on_event(TrialEnded(number=0, ending="interrupted"))
    again = run.suggest()
    assert (again["number"], again["gpus"]) == (0, 1.0)
    run.end(0)
    assert run.suggest()["number"] == FIRST


def test_a_resumed_ablation_continues_with_what_is_left(run: _Run, settings: StudySettings) -> None:
    for _ in range(4):
        run.suggest()
    run.end(0)
    run.end(2)
    for number in (1, 3):
        run.records.on_event(TrialEnded(number=number, ending="interrupted"))
    resumed = _Run(settings, run.records)
    configs = [resumed.suggest() for _ in range(FIRST - 2)]
    assert [each["number"] for each in configs] == [1, 3, *range(4, FIRST)]
    assert configs[0]["name"] == "001 all changes"
    for each in configs:
        point = list_planned_trials(ABLATION, METRIC, [])[each["number"]].subset
        assert each["trial"] == ABLATION.build_point(point)
    assert resumed.suggest() is None


def test_each_repeat_is_handed_out_once_with_its_gpus() -> None:
    searcher = PlannedSearcher(lambda: REPEATS, 0.5)
    handed_out = [searcher.suggest("a"), searcher.suggest("b")]
    assert handed_out == [repeat | {"gpus": 0.5} for repeat in REPEATS]
    assert searcher.suggest("c") is None  # Ray waits
    searcher.on_trial_complete("a", {"epoch": 9})
    searcher.on_trial_complete("b", error=True)
    assert searcher.suggest("c") == Searcher.FINISHED


def test_a_repeat_out_of_memory_comes_again_with_a_whole_gpu() -> None:
    searcher = PlannedSearcher(lambda: REPEATS, 0.5)
    searcher.suggest("a"), searcher.suggest("b")
    assert searcher.suggest("c") is None  # Ray waits, since one may come again
    searcher.on_trial_complete("a", MEMORY)
    assert searcher.suggest("c") == REPEATS[0] | {"gpus": 1.0}
    searcher.on_trial_complete("c", MEMORY)
    searcher.on_trial_complete("b", {"epoch": 9})
    assert searcher.suggest("d") == Searcher.FINISHED
