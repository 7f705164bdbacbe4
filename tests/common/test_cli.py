import signal
from collections.abc import Sequence

import pytest

from fer_tune.common.cli import CommandParser, run_command
from fer_tune.common.errors import UserError


def exit_code(error: BaseException | None) -> object:
    def main(_: Sequence[str] | None) -> None:
        if error:
            raise error

    with pytest.raises(SystemExit) as ended:
        run_command(main, [])
    return ended.value.code


def test_a_command_that_ends_well_exits_with_0() -> None:
    assert exit_code(None) == 0


def test_a_mistake_of_the_user_is_one_line_and_exits_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code(UserError("faces.csv is empty")) == 2
    assert capsys.readouterr().err == "error: faces.csv is empty\n"


def test_a_name_of_a_file_neither_breaks_the_line_nor_moves_the_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code(UserError("a\nb\x1b[2Jc\udcff\u202ed.csv is empty")) == 2
    assert capsys.readouterr().err == "error: a\\nb\\x1b[2Jc\\udcff\\u202ed.csv is empty\n"


def test_details_of_a_mistake_are_printed_below_it_one_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code(UserError("2 bad faces:", ["row 1", "row\n2"])) == 2
    assert capsys.readouterr().err == "error: 2 bad faces:\n  row 1\n  row\\n2\n"


def test_a_typed_argument_does_not_break_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        CommandParser().parse_args(["--x\ny"])
    assert capsys.readouterr().err == (
        "error: unrecognized arguments: --x\\ny; --help lists the options\n"
    )


def test_ctrl_c_exits_with_130_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_command_in_the_background_of_a_script_ends_at_sigterm() -> None:
    """A script's shell makes it ignore Ctrl-C."""

    def terminate(_: Sequence[str] | None) -> None:
        signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit, match="130"):
            run_command(terminate, [])
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_bug_is_not_hidden() -> None:
    def main(_: Sequence[str] | None) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(main, [])
