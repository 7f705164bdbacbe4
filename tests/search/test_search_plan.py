from pathlib import Path
from typing import Any

import pytest

from fer_tune.common.errors import UserError
from fer_tune.search import search_plan
from fer_tune.search.options import build_parser
from fer_tune.search.search_plan import check_fixed_options
from fer_tune.study.records.settings import PriorTrial, StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.search_space.load_space import find_space_file, load_space
from tests.settings import make_settings


def _prior_trial(study: str) -> PriorTrial:
    numbers: dict[str, Any] = {"number": 0, "epochs": 9, "best": 0.5, "gap": 0.1, "last": 0.5}
    return PriorTrial(study=study, point={}, is_whole=True, **numbers)


SMOKE = load_space(find_space_file("smoke"))
BEGAN_WITH = {"train_faces": 500, "skip_bad": True, "scheduler": "hyperband", "seed": 7}
STUDY = make_settings("demo-mine", "smoke", SMOKE, **BEGAN_WITH, known=[_prior_trial("first")])
PLAIN = make_settings("mine", "smoke", SMOKE)


def _check(settings: StudySettings, *arguments: str) -> None:
    options = build_parser().parse_args(["--resume", settings.name, *arguments])
    check_fixed_options(options, settings, StudyStorage("studies"))


def test_the_options_that_a_study_began_with_may_be_given_again() -> None:
    _check(
        STUDY,
        *("--space", "smoke", "--epochs", "9", "--train-faces", "500", "--study", "demo-mine"),
        *("--skip-bad", "--metric", "val/macro_f1", "--seed", "7", "--scheduler", "hyperband"),
        *("--grace", "1", "--reduction", "3", "--warm-start", "first", "first"),
        *("--trials", "80", "--data", "moved.csv"),
    )
    _check(STUDY, "--study", "mine")  # as it was typed, for a study on demo faces
    _check(PLAIN, "--seed", "0")
    labelled = make_settings("mine", "smoke", SMOKE, labels="1=happy,2=sad")
    _check(labelled, "--labels", "01 = happy, 2.0=sad")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--labels=1=sad", "--labels 1=sad: the study began without it; leave out the option"),
        ("--epochs=20", "--epochs 20: the study has 9; leave out the option"),
        (
            "--train-faces=100",
            "--train-faces 100: the study began without it; leave out the option",
        ),
        ("--skip-bad", "--skip-bad: the study began without it; leave out the option"),
        ("--study=other", "--study other: the study has mine; leave out the option"),
        ("--metric=gap", "--metric gap: the study has val/macro_f1; leave out the option"),
        ("--seed=1", "--seed 1: the study has 0; leave out the option"),
        ("--scheduler=none", "--scheduler none: the study has asha; leave out the option"),
        ("--grace=2", "--grace 2: the study has 1; leave out the option"),
        ("--reduction=2", "--reduction 2: the study has 3; leave out the option"),
    ],
)
def test_a_changed_option_is_refused_with_both_values(option: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        _check(PLAIN, option)
    assert str(error.value) == problem


def test_a_space_is_compared_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"# a comment\n{SMOKE.to_yaml()}")
    _check(PLAIN, "--space", str(file))
    file.write_text(SMOKE.to_yaml().replace("high: 0.01", "high: 0.1"))
    with pytest.raises(UserError, match=r"high: 0.1,.* and the study has .*high: 0.01,.*; leave"):
        _check(PLAIN, "--space", str(file))
    with pytest.raises(UserError, match=r"space gone: give a YAML file .*; or leave out --space"):
        _check(PLAIN, "--space", "gone")


def test_other_studies_of_a_warm_start_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = {"second": (_prior_trial("second"),), "unfit": ()}

    def warm_start(_: object, names: list[str], __: StudySettings) -> Any:
        return sum((trials[name] for name in names), ()), ""

    monkeypatch.setattr(search_plan, "warm_start", warm_start)
    monkeypatch.setattr(search_plan, "open_store", lambda *_, **__: None)
    _check(STUDY, "--warm-start", "first", "unfit")  # none of its trials fitted
    _check(PLAIN, "--warm-start", "unfit")
    problem = "--warm-start first second: the study has first; leave out the option"
    with pytest.raises(UserError, match=problem):
        _check(STUDY, "--warm-start", "first", "second")
    with pytest.raises(UserError, match="--warm-start unfit: the study has first"):
        _check(STUDY, "--warm-start", "unfit")
    with pytest.raises(UserError, match="--warm-start second: the study began without it"):
        _check(PLAIN, "--warm-start", "second")
