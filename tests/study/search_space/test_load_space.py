from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_tune.common.errors import UserError
from fer_tune.study.search_space.load_space import (
    SPACE_DIRS,
    find_space_errors,
    find_space_file,
    load_space,
    parse_space,
)
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.trial_config import TrialConfig

OURS = sorted(SPACE_DIRS[0].glob("*.yaml"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_space_of_the_project_is_valid(path: Path) -> None:
    space = load_space(path)
    for point in space.list_first_points():
        TrialConfig.model_validate({**space.fixed, **point})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml: has no `parameters:`"),
        ("parameters: {}", "f.yaml: parameters: "),
        ("parameters: [", "f.yaml: not YAML: "),
        ("[" * 20_000 + "]" * 20_000, "f.yaml: nested too deeply"),
        ("spam: 1", "f.yaml: parameters: it is missing"),
        (
            "parameters: {lerning_rate: {type: float, low: 0.1, high: 1}}",
            "f.yaml: parameters.lerning_rate: unknown parameter; did you mean learning_rate?",
        ),
        (
            "parameters: {dropout: {type: float, low: 0.6, high: 0.2}}",
            "f.yaml: parameters.dropout: {'type': 'float', 'low': 0.6, 'high': 0.2}: "
            "low 0.6 is not below high 0.2",
        ),
        (
            "parameters: {dropout: {type: float, low: 0.5, high: 0.9}}",
            "f.yaml: parameters.dropout: the default 0.25 is outside its range",
        ),
        (
            "parameters: {dropout: {type: float, low: 0, high: 1.5}}",
            "f.yaml: parameters.dropout: 1.5: Input should be less than 1",
        ),
        (
            "parameters: {learning_rate: {type: float, low: 0, high: 1, log: true}}",
            "f.yaml: parameters.learning_rate: ",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: many}}",
            "f.yaml: parameters.depth.high: many: ",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 4, step: 2}}",
            "f.yaml: parameters.depth: ",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5, lgo: true}}",
            "f.yaml: parameters.depth.lgo: True: unknown key",
        ),
        (
            "parameters: {depth: {type: whole, low: 1, high: 5}}",
            "f.yaml: parameters.depth: {'type': 'whole', 'low': 1, 'high': 5}: its type is none of",
        ),
        ("parameters: {depth: {low: 1}}", "f.yaml: parameters.depth: {'low': 1}: its type is mis"),
        ("parameters: [depth]", "f.yaml: parameters: ['depth']: needs keys and values"),
        (
            "parameters: {depth: {type: float, low: 1, high: 5}}",
            "f.yaml: parameters.depth: 1.0: Input should be a valid integer",
        ),
        (
            "parameters: {dropout: {type: choice, values: [0.25, '0.5']}}",
            "f.yaml: parameters.dropout: 0.5: Input should be a valid number",
        ),
        (
            f"parameters: {{depth: {{type: int, low: 1, high: 1{'0' * 400}}}}}",
            f"f.yaml: parameters.depth.high: 1{'0' * 99}...: ",
        ),
        (
            "parameters: 2001-99-99",
            "f.yaml: not YAML: '2001-99-99' is no timestamp in \"<unicode string>\", line 1",
        ),
        ("parameters: !!bool maybe", "f.yaml: not YAML: 'maybe' is no bool"),
        ("parameters: !!set 1", "f.yaml: not YAML: needs keys and values"),
        ("parameters: !!int ''", "f.yaml: not YAML: '' is no int"),
        (
            "parameters: !!python/object/apply:os.mkdir [made]",
            "f.yaml: not YAML: could not determine a constructor",
        ),
        ("a: &a [1]\nb: *a", "f.yaml: not YAML: an alias (*); write what it stands for"),
        (
            'parameters: {"d\\n\\e[31m": {type: int, low: 1, high: 5}}',
            "f.yaml: parameters.d\\n\\x1b[",
        ),
        (
            "parameters: {data_plan: {type: choice, values: [original, blanced]}}",
            "f.yaml: parameters.data_plan: blanced: ",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5}}\nfirst_trials: [{depth: 9}]",
            "f.yaml: first_trials[0].depth: 9 is outside its range",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5}}\nfirst_trials: [{width: 16}]",
            "f.yaml: first_trials[0].width: not a parameter of this space",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5, low: 2}}",
            "f.yaml: not YAML: the key 'low' is repeated",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5}}\nfixed: {width: 1}",
            "f.yaml: fixed.width: 1: ",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5}}\nconstraints: {gap: {at_most: 2}}",
            "f.yaml: constraints.gap.at_most: 2: Input should be less than or equal to 1",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5}}\nconstraints: {gpa: {at_most: 1}}",
            "f.yaml: constraints.gap: it is missing",
        ),
        (
            "parameters: {depth: {type: int, low: 1, high: 5}}\nfixed: {depth: 2}",
            "f.yaml: fixed.depth: also a parameter",
        ),
    ],
)
def test_an_invalid_space_is_one_line_with_file_key_and_value(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_space(text, "f.yaml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("{dropout: DROPOUT, depth: DEPTH}", None),
        ("{dropout: DROPOUT}", "dropout.when.depth: not a parameter of this space"),
        (
            "{dropout: DROPOUT, depth: {type: choice, values: [1, 3]}}",
            "dropout.when.depth: 4 is outside its range",
        ),
        (
            "{depth: DEPTH, width: {type: int, low: 8, high: 64, when: {mixup: 0}},"
            " mixup: {type: float, low: 0, high: 1}}",
            "width.when.mixup: a float; conditions are on choices and whole numbers",
        ),
        (
            "{depth: {type: int, low: 1, high: 5, when: {width: 32}},"
            " width: {type: int, low: 8, high: 64, when: {depth: 3}}}",
            "depth.when: a cycle: depth depends on width depends on depth",
        ),
        (
            "{depth: {type: int, low: 1, high: 5, when: {depth: 3}}}",
            "depth.when: a cycle: depth depends on depth",
        ),
        (
            "{depth: {type: int, low: 1, high: 5, when: {}}}",
            "depth.when: {}: Dictionary should have at least 1 item",
        ),
        (
            "{dropout: {type: float, low: 0, high: 0.7, when: {depth: []}}, depth: DEPTH}",
            "dropout.when.depth: ",
        ),
        ("{dropout: {type: float, low: 0, high: 0.7, when: depth}}", "dropout.when: depth: "),
        (
            "{mixup: {type: float, low: 0.1, high: 1, when: {depth: 3}}, depth: DEPTH}",
            "mixup: the default 0.0 is outside its range",
        ),
    ],
)
def test_a_condition_that_can_never_hold_or_be_decided_is_refused(
    parameters: str, message: str | None
) -> None:
    text = f"parameters: {parameters}"
    text = text.replace("DROPOUT", "{type: float, low: 0, high: 0.7, when: {depth: [4, 5]}}")
    text = text.replace("DEPTH", "{type: int, low: 1, high: 5}")
    if message is None:
        assert parse_space(text, "f.yaml").is_conditional
        return
    with pytest.raises(UserError) as error:
        parse_space(text, "f.yaml")
    assert str(error.value).startswith(f"f.yaml: parameters.{message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("{depth: 4, mixup: 0.2}", "mixup: the trial does not have it: its `when` does not hold"),
        ("{depth: 2, dropout: 0.3}", "dropout: the trial does not have it"),
        (
            "{depth: 4, schedule: cosine}",
            "mixup: is missing, and the default 0.0 is outside its range",
        ),
        ("{depth: 9, mixup: 0.2}", "depth: 9 is outside its range"),
    ],
)
def test_an_impossible_first_trial_is_refused(point: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_space(f"{CONDITIONAL}  - {point}", "f.yaml")
    assert str(error.value).startswith(f"f.yaml: first_trials[2].{message}")


def test_nested_aliases_fill_no_memory() -> None:
    levels = [
        f"{own}: &{own} [{', '.join([f'*{below}'] * 9)}]" for below, own in pairwise("abcdefgh")
    ]
    text = "\n".join(["a: &a [ha]", *levels, "parameters: *h"])
    with pytest.raises(UserError, match="an alias"):
        parse_space(text, "f.yaml")


def test_a_file_of_faces_given_as_a_space_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(b"1 " * (1 << 20))
    with pytest.raises(UserError, match="too large for a search space"):
        load_space(tmp_path / "fer2013.csv")


def test_a_number_may_be_written_with_an_exponent_and_no_point() -> None:
    text = """
    parameters: {learning_rate: {type: choice, values: [1e-4, 1e-3]}}
    first_trials: [{learning_rate: 1e-3}]
    """
    assert parse_space(text, "f.yaml").list_first_points()[1] == {"learning_rate": 0.001}


def test_an_unknown_space_is_refused_with_the_known_names() -> None:
    with pytest.raises(UserError, match="paper, regularize, smoke"):
        find_space_file("papre")


def test_a_file_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        load_space(tmp_path / "f.yaml")


@given(
    low=st.floats(1e-6, 1e-4),
    high=st.floats(1e-4, 1.0, exclude_min=True),
    log=st.booleans(),
)
def test_every_valid_range_around_the_baseline_value_is_accepted(
    low: float, high: float, log: bool
) -> None:
    space = SearchSpace.model_validate(
        {"parameters": {"learning_rate": {"type": "float", "low": low, "high": high, "log": log}}}
    )
    assert list(find_space_errors(space)) == []
    assert space.to_distributions()["learning_rate"].single() is False


@given(st.text(max_size=200))
def test_no_text_whatever_ends_in_a_traceback(text: str) -> None:
    with pytest.raises(UserError) as error:
        parse_space(text, "f.yaml")
    assert "\n" not in str(error.value)
