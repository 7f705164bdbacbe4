from fer_tune.study.ablation_changes import MAX_CHANGES, build_ablation_space, group_changes
from fer_tune.study.search_space.load_space import (
    find_space_errors,
    find_space_file,
    load_space,
    parse_space,
)
from fer_tune.trial_config import BASELINE, TrialConfig
from tests.ablation import make_ablation

PAPER = load_space(find_space_file("paper"))
REGULARIZE = load_space(find_space_file("regularize"))


def test_parameters_that_only_make_sense_together_are_one_change() -> None:
    config = TrialConfig(
        schedule="onecycle", learning_rate=1e-2, depth=4, head="average", dropout=0.1, mixup=0.2
    )
    changes = [set(change) for change in group_changes(config, PAPER)]
    assert sorted(map(sorted, changes)) == [
        ["depth", "head"],
        ["dropout"],
        ["learning_rate", "schedule"],
        ["mixup"],
    ]
    for change in group_changes(config, PAPER):
        assert change == {name: getattr(config, name) for name in change}


def test_a_parameter_belongs_to_those_of_its_condition() -> None:
    text = """
parameters:
  augmentation: {type: float, low: 0.0, high: 1.0}
  data_plan: {type: choice, values: [original, balanced]}
  mixup: {type: float, low: 0.0, high: 0.4, when: {data_plan: balanced}}
"""
    space = parse_space(text, "tested.yaml")
    both = TrialConfig(augmentation=0.5, data_plan="balanced", mixup=0.2)
    assert [set(change) for change in group_changes(both, space)] == [
        {"augmentation"},
        {"mixup", "data_plan"},
    ]
    alone = TrialConfig(augmentation=0.5, mixup=0.2)
    assert len(group_changes(alone, space)) == 2
    without = TrialConfig(augmentation=0.5, data_plan="balanced")
    assert len(group_changes(without, space)) == 2


def test_similar_changes_are_merged_if_there_are_too_many() -> None:
    values = REGULARIZE.list_first_points()[1]
    changes = group_changes(TrialConfig.model_validate(values), REGULARIZE)
    assert len(changes) == MAX_CHANGES
    assert {"dropout", "weight_decay"} in [set(change) for change in changes]
    merged = {name: value for change in changes for name, value in change.items()}
    assert merged == {k: v for k, v in values.items() if v != getattr(BASELINE, k)}


def test_the_space_contains_every_configuration() -> None:
    ablation = make_ablation(4)
    space = build_ablation_space(ablation, REGULARIZE.constraints)
    assert list(find_space_errors(space)) == []
    assert space.max_gap == REGULARIZE.max_gap
    for point in ablation.list_first_points():
        assert space.contains_config(TrialConfig.model_validate(point))
        assert space.extract_point(TrialConfig.model_validate(point).model_dump()) == point
