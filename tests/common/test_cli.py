import getpass
import io
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Sequence
from unittest.mock import patch

import pytest

from fer_tune.common.cli import CommandParser, format_command_line, run_command
from fer_tune.common.console import create_console
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


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_in_the_background_of_a_script_ends_at_a_signal(sign: signal.Signals) -> None:
    """A script's shell makes it ignore Ctrl-C."""

    def terminate(_: Sequence[str] | None) -> None:
        signal.raise_signal(sign)

    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit, match="130"):
            run_command(terminate, [])
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def test_a_terminal_that_is_closed_interrupts_only_once() -> None:
    """It sends its signal more than once, but a second Ctrl-C ends a study at once."""
    interrupts = []

    def close_terminal(_: Sequence[str] | None) -> None:
        for _times in range(3):
            try:
                signal.raise_signal(signal.SIGHUP)
            except KeyboardInterrupt:
                interrupts.append(signal.SIGHUP)

    before = signal.getsignal(signal.SIGHUP)
    try:
        with pytest.raises(SystemExit, match="0"):
            run_command(close_terminal, [])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert len(interrupts) == 1


def test_under_nohup_a_command_survives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit, match="0"):
            run_command(lambda _: signal.raise_signal(signal.SIGHUP), [])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_a_user_without_a_home_folder_and_a_name_gets_both(
    home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs as a number."""
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with patch.dict(os.environ):
        for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", home or "")
        if home is None:
            monkeypatch.delenv("HOME")
        assert exit_code(None) == 0
        assert os.environ["HOME"] == "/"
        assert getpass.getuser() == str(os.getuid())


def test_a_command_may_exit_with_a_line_and_1() -> None:
    with pytest.raises(SystemExit, match="no result"):
        run_command(lambda _: sys.exit("no result"), [])


def test_a_bug_is_not_hidden() -> None:
    def main(_: Sequence[str] | None) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(main, [])


def test_a_container_prints_what_people_type_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_TUNE_COMMAND", "docker compose run --rm study")
    monkeypatch.setenv("FER_TUNE_OPTIONS", "--tracking-uri=http://mlflow:5000 --storage=s3://b")
    added = ["--storage=s3://b", "--tracking-uri", "http://mlflow:5000"]
    line = format_command_line("fer_tune.search", [*added, "--resume", "faces"])
    assert line == "docker compose run --rm study --resume faces"
    line = format_command_line("fer_tune.retrain", ["--study", "faces", *added])
    assert line == "docker compose run --rm study retrain --study faces"
    line = format_command_line("fer_tune.report", ["--storage", "s3://b/c", "--storage=s3://a"])
    assert line == "docker compose run --rm study report --storage s3://b/c --storage=s3://a"


@pytest.mark.parametrize("closed", ["", ">&-"])
def test_a_command_whose_main_thread_hangs_ends_with_its_error(closed: str) -> None:
    script = (
        "import threading, time\n"
        "from fer_tune.common import cli, errors\n"
        "error = errors.UserError('the cluster is gone')\n"
        "threading.Thread(target=cli.exit_at_once, args=[error]).start()\n"
        "time.sleep(1000)"
    )
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", script]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "error: the cluster is gone\n")


WORDS = "größe ± हिन्दी \udcff"


class _BrokenLog(io.StringIO):
    """A log whose disk is full, or whose terminal is gone."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "gr\\xf6\\xdfe \\xb1 \\u0939"),
        ("latin-1", "größe ± \\u0939"),
        ("cp1252", "größe ± \\u0939"),
        ("utf-8", "größe ± हि"),
    ],
)
def test_letters_that_the_output_lacks_are_escaped(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))

    def print_words(_: Sequence[str] | None) -> None:
        create_console().print(WORDS)
        print(WORDS)

    with pytest.raises(SystemExit, match="0"):
        run_command(print_words, [])
    lines = written.getvalue().decode(encoding).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(shown) and line.endswith("\\udcff") for line in lines)


def test_a_full_disk_of_the_log_ends_no_command_but_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", _BrokenLog())
    done = []

    def work(_: Sequence[str] | None) -> None:
        create_console().print("before")
        done.append("work")

    with pytest.raises(SystemExit, match="2"):
        run_command(work, [])
    assert done == ["work"]
    assert capsys.readouterr().err.startswith("error: the output is incomplete: No space left")


SHORT = """
import sys
from fer_tune.common.cli import run_command

def main(argv):
    print("one")
    print("two", file=sys.stderr)

run_command(main, [])
"""


@pytest.mark.parametrize(
    ("closed", "code"),
    [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), (">/dev/full 2>/dev/full", 2)],
)
def test_a_command_runs_without_its_outputs(closed: str, code: int) -> None:
    command = f'exec "$0" -c "$1" {closed}'
    process = subprocess.run(["sh", "-c", command, sys.executable, SHORT], check=False)
    assert process.returncode == code
