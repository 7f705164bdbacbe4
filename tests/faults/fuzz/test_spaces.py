"""Search spaces damaged and made up at random; see `damage`."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fer_tune.common.errors import UserError
from fer_tune.study.search_space.load_space import (
    SPACE_DIRS,
    find_space_file,
    load_space,
    parse_space,
)
from fer_tune.trial_config import TrialConfig
from tests.faults.fuzz.damage import DAMAGE, VALUES, check_message, damaged, fuzzed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SPACES = [path.read_text() for folder in SPACE_DIRS for path in sorted(folder.glob("*.yaml"))]
WORDS = (
    *("parameters:", "fixed:", "first_trials:", "depth", "dropout", "learning_rate", "data_plan"),
    *("type: int", "type: float", "type: choice", "low: 1", "high: 5", "log: true", "step: 2"),
    *("when: {depth: 3}", "when: {head: [hidden, average]}", "constraints: {gap: {at_most: 0.1}}"),
    *("values: [1, 2]", "{", "}", "[", "]", ", ", ": ", "- ", "? ", "| ", "> ", "# ", "---", "..."),
    *("&a ", "*a", "<<: *a", "<<: ", "%YAML 9.9", "!!int ", "!!float ", "!!bool ", "!!null "),
    *("!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!pairs ", "!!str ", "!x ", "!<a> "),
    *("!!python/object/apply:os.mkdir [ran]", "!!python/name:os.system", "!!python/tuple [1]"),
    *("1e-3", "1e999", ".nan", ".inf", "0x_", "0b_", "1_0", "190:20:30", "2001-99-99", "~", "="),
    *(
        "9" * 400,
        "9" * 5000,
        "true",
        "no",
        "'",
        '"',
        "\\x1b",
        '"\\e[2J"',
        "\t",
        "\0",
        "\ufeff",
        "\u2028",
    ),
    *("\n", "\n  ", "\n    ", "\r\n", "é", "\U0001f600", "[" * 200, "{a: " * 200, "- " * 200),
)
NAMES = st.one_of(st.sampled_from([*TrialConfig.model_fields]), st.text(max_size=8))
KEYS = st.sampled_from(["type", "low", "high", "log", "step", "values", "low", "high", "when", "x"])
POINTS = st.dictionaries(NAMES, VALUES, max_size=2)
SOUND = yaml.safe_load(find_space_file("regularize").read_text())["parameters"]


@st.composite
def made_up(draw: st.DrawFn) -> object:
    """Sound ranges, with a few values that may be anything."""
    names = draw(st.lists(st.sampled_from([*SOUND]), min_size=1, max_size=3))
    parameters: dict[str, object] = {name: dict(SOUND[name]) for name in names}
    for _ in range(draw(st.integers(0, 2))):
        changed = {**SOUND[names[0]], draw(KEYS): draw(VALUES)}
        parameters[draw(st.one_of(st.just(names[0]), NAMES))] = changed
    space: dict[str, object] = {"parameters": parameters}
    for key, value in draw(
        st.dictionaries(
            st.sampled_from(["fixed", "first_trials", "constraints", "x"]), VALUES, max_size=1
        )
    ).items():
        space[key] = draw(st.one_of(POINTS, st.lists(POINTS, max_size=2), st.just(value)))
    return space


@st.composite
def spaces(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["words", "ours", "made up"]))
    if kind == "words":
        text = "".join(draw(st.lists(st.sampled_from(WORDS), max_size=15)))
    elif kind == "made up":
        text = yaml.safe_dump(draw(made_up()), allow_unicode=draw(st.booleans()))
    else:
        text = draw(st.sampled_from(SPACES))
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(text)))
            text = text[:at] + draw(st.sampled_from(WORDS)) + text[at + draw(st.integers(0, 9)) :]
    encoded = text.encode(draw(st.sampled_from(["utf-8"] * 8 + ["utf-8-sig", "utf-16"])))
    return damaged(encoded, draw(st.lists(DAMAGE, max_size=1)))


@fuzzed(4000)
@given(spaces())
def test_a_search_space_of_any_content(place: Path, content: bytes) -> None:
    path = place / "space.yaml"
    path.write_bytes(content)
    try:
        space = load_space(find_space_file(str(path)))
    except UserError as error:
        check_message(error)
        return
    assert parse_space(space.to_yaml(), "again") == space
    assert space.data_plans()
    ends = [
        {name: each.representative_values()[i] for name, each in space.parameters.items()}
        for i in (0, -1)
    ]
    for point in (*space.list_first_points(), *ends):
        TrialConfig.model_validate({**space.fixed, **point})
    for name, distribution in space.to_distributions().items():
        for value in (
            *space.parameters[name].representative_values(),
            *(p[name] for p in space.list_first_points() if name in p),
        ):
            assert distribution._contains(distribution.to_internal_repr(value))
