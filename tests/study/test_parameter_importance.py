from fer_tune.study.parameter_importance import MIN_TRIALS, estimate_importances
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.load_space import parse_space
from fer_tune.trial_config import TrialConfig

SPACE = parse_space(
    """
parameters:
  depth: {type: int, low: 1, high: 5}
  dropout: {type: float, low: 0.0, high: 0.7}
  data_plan: {type: choice, values: [original, balanced]}
""",
    "tested.yaml",
)


def trials(count: int) -> list[TrialRecord]:
    return [
        TrialRecord(
            number, f"{number}", TrialConfig(depth=number % 5 + 1, dropout=number / count / 2)
        )
        for number in range(count)
    ]


def test_the_parameter_that_decides_comes_first_with_most_of_the_variance() -> None:
    found = estimate_importances(trials(25), SPACE, [each.config.depth / 5 for each in trials(25)])
    assert next(iter(found)) == "depth"
    mean, spread = found["depth"]
    assert mean > 0.8
    assert 0 <= spread < 0.2
    assert found["data_plan"] == (0.0, 0.0)  # the same in every trial


def test_a_conditional_parameter_has_an_importance() -> None:
    space = parse_space(
        """
parameters:
  depth: {type: int, low: 1, high: 5}
  mixup: {type: float, low: 0.1, high: 0.4, when: {depth: 4}}
""",
        "tested.yaml",
    )
    some = [
        TrialRecord(number, "", TrialConfig(depth=4, mixup=0.1 + number / 100))
        for number in range(25)
    ]
    some += [TrialRecord(25 + depth, "", TrialConfig(depth=depth)) for depth in (1, 2, 3, 5)]
    found = estimate_importances(some, space, [each.config.mixup for each in some])
    assert next(iter(found)) == "mixup"


def test_few_or_equal_trials_have_no_importances() -> None:
    assert estimate_importances(trials(MIN_TRIALS - 1), SPACE, [*range(MIN_TRIALS - 1)]) == {}
    assert estimate_importances(trials(25), SPACE, [0.5] * 25) == {}
