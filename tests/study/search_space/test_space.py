from pathlib import Path

import pytest

from fer_tune.study.search_space.load_space import (
    SPACE_DIRS,
    find_space_file,
    load_space,
    parse_space,
)
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.trial_config import BASELINE, TrialConfig

OURS = sorted(SPACE_DIRS[0].glob("*.yaml"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_the_first_trial_is_the_baseline(path: Path) -> None:
    assert TrialConfig.model_validate(load_space(path).list_first_points()[0]) == BASELINE


def test_the_paper_space_begins_with_the_papers_two_configurations() -> None:
    first, second = load_space(find_space_file("paper")).list_first_points()
    assert second == {**first, "data_plan": "balanced"}


CONDITIONAL = """
parameters:
  depth: {type: int, low: 1, high: 5}
  schedule: {type: choice, values: [constant, cosine, onecycle]}
  mixup: {type: float, low: 0.1, high: 0.4, when: {schedule: [cosine, onecycle], depth: 4}}
  dropout: {type: float, low: 0.0, high: 0.7, when: {depth: [3, 4]}}
first_trials:
  - {depth: 2}
  - {depth: 4, schedule: cosine, mixup: 0.2}
"""
LIMITED = f"{CONDITIONAL}constraints: {{gap: {{at_most: 0.1}}}}"


def test_a_trial_has_a_parameter_only_if_all_its_conditions_hold() -> None:
    space = parse_space(CONDITIONAL, "f.yaml")
    baseline, shallow, mixed = space.list_first_points()
    assert baseline == {"depth": 3, "schedule": "constant", "dropout": 0.25}
    assert shallow == {"depth": 2, "schedule": "constant"}
    assert mixed == {"depth": 4, "schedule": "cosine", "mixup": 0.2, "dropout": 0.25}


def test_a_parameter_is_inactive_if_its_parent_is_inactive() -> None:
    text = """
    parameters:
      dropout: {type: float, low: 0, high: 0.7, when: {depth: 3}}
      depth: {type: int, low: 1, high: 5, when: {schedule: cosine}}
      schedule: {type: choice, values: [constant, cosine]}
    """
    space = parse_space(text, "f.yaml")
    assert space.extract_point(BASELINE.model_dump()) == {"schedule": "constant"}
    cosine = {**BASELINE.model_dump(), "schedule": "cosine"}
    assert list(space.extract_point(cosine)) == ["dropout", "depth", "schedule"]


def test_a_configuration_has_the_baseline_value_of_an_inactive_parameter() -> None:
    space = parse_space(CONDITIONAL, "f.yaml")
    assert space.contains_config(TrialConfig(depth=2))
    assert not space.contains_config(TrialConfig(depth=2, dropout=0.5))
    assert space.contains_config(TrialConfig(depth=4, dropout=0.5))
    assert not space.contains_config(TrialConfig(depth=4, schedule="cosine"))  # no mixup
    assert space.contains_config(TrialConfig(depth=4, schedule="cosine", mixup=0.1))


def test_a_first_trial_equal_to_the_baseline_is_not_repeated() -> None:
    text = "parameters: {depth: {type: int, low: 1, high: 5}}\nfirst_trials: [{}, {depth: 2}]"
    assert parse_space(text, "f.yaml").list_first_points() == [{"depth": 3}, {"depth": 2}]


def test_a_first_trial_like_the_baseline_is_tried_if_other_values_are_fixed() -> None:
    text = """
    parameters: {depth: {type: int, low: 1, high: 5}}
    fixed: {width: 16}
    first_trials: [{}, {depth: 3}, {depth: 2}]
    """
    points = parse_space(text, "f.yaml").list_first_points()
    assert points == [{"depth": 3}, {"depth": 3}, {"depth": 2}]


def test_the_resolved_space_reads_back_as_itself() -> None:
    for space in (load_space(find_space_file("regularize")), parse_space(LIMITED, "f.yaml")):
        assert parse_space(space.to_yaml(), "again") == space
        assert SearchSpace.model_validate_json(space.model_dump_json()) == space
    assert space.max_gap == 0.1
    assert "null" not in space.to_yaml()


def test_only_data_plans_that_trials_can_have_are_listed() -> None:
    assert load_space(find_space_file("smoke")).data_plans() == ["original", "sqrt_sampler"]
    fixed = "parameters: {depth: {type: int, low: 1, high: 5}}\nfixed: {data_plan: balanced}"
    assert parse_space(fixed, "f.yaml").data_plans() == ["original", "balanced"]
