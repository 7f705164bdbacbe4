import os
from typing import get_args

import pytest

from fer_tune.defaults import SchedulerName
from fer_tune.search.options import build_parser


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), (" 5 m ", 300)]
)
def test_a_time_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert build_parser().parse_args(["--time-budget", text]).time_budget == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "5d", "-5m", "1e3", "9" * 400])
def test_text_that_is_no_time_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args([f"--time-budget={text}"])
    assert "write 90s, 30m or 2h" in capsys.readouterr().err


def test_every_scheduler_that_a_study_may_have_can_be_chosen() -> None:
    names = get_args(SchedulerName)
    assert [build_parser().parse_args(["--scheduler", name]).scheduler for name in names] == list(
        names
    )


def test_options_of_machine_and_records_can_be_changed_at_a_resume() -> None:
    options = ["--trials", "9", "--concurrent", "1", "--cpus-per-trial", "2", "--time-budget", "9"]
    places = ["--data", "moved", "--tracking-uri", "http://host", "--storage", "moved"]
    assert build_parser().parse_args(["--resume", "any", *options, *places]).resume == "any"


@pytest.mark.parametrize("option", ["--trials", "--epochs", "--seed", "--gpus-per-trial"])
@pytest.mark.parametrize("value", ["x", "-1", "nan", "inf", ""])
def test_text_that_is_no_number_is_refused(option: str, value: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args([f"{option}={value}"])


@pytest.mark.parametrize(
    "option", ["--data", "--space", "--study", "--storage", "--resume", "--warm-start"]
)
def test_an_empty_value_is_refused_in_one_line(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args([f"{option}="])
    assert capsys.readouterr().err.splitlines() == [
        f"error: argument {option}: it is empty; --help lists the options"
    ]


@pytest.mark.parametrize("option", ["--data", "--tracking-uri", "--study", "--storage"])
def test_a_value_that_no_record_could_hold_is_refused(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args([f"{option}={os.fsdecode(b'a' + bytes([255]))}"])
    assert "a\\udcff is no UTF-8" in capsys.readouterr().err


def test_a_seed_of_more_than_31_bits_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["--seed", "5000000000"])
    assert "below 2147483648" in capsys.readouterr().err
