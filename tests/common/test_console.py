import subprocess
import sys
import threading

import pytest
from rich.table import Table

from fer_tune.common.console import create_console, show_step
from fer_tune.terminal.formatting import build_borderless_table
from fer_tune.terminal.training_progress import SeedProgress

PRINTS = """
import sys
from fer_tune.common.cli import run_command
from fer_tune.common.console import create_console

def main(argv):
    console = create_console()
    for line in range(20_000):
        console.print(line)
    print("done", file=sys.stderr)

run_command(main)
"""


def test_a_command_continues_if_nobody_reads_its_output() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "done\n"
    process.stderr.close()
    assert process.wait() == 0


NAME = "[red]a[/red] :smile: \x1b[2J\x07\u202e"
SHOWN = "[red]a[/red] :smile: \\x1b[2J\\x07\\u202e"


@pytest.mark.parametrize(
    "shown", [NAME, build_borderless_table([NAME], [[""]]), build_borderless_table([""], [[NAME]])]
)
def test_names_are_printed_unchanged_and_control_no_terminal(
    shown: str | Table, capsys: pytest.CaptureFixture[str]
) -> None:
    create_console().print(shown, width=200)
    output = capsys.readouterr().out
    assert SHOWN in output
    assert "\x1b" not in output


def test_text_of_several_lines_keeps_them(capsys: pytest.CaptureFixture[str]) -> None:
    create_console().print("one\ntwo")
    assert capsys.readouterr().out == "one\ntwo\n"


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"CI": "1", "FORCE_COLOR": "1"}], ids=str)
def test_in_ci_nothing_is_redrawn_or_coloured(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    quiet = create_console()
    with show_step(quiet, "working"), SeedProgress(quiet, "seed 0", "gap", 3, 0):
        quiet.print("loud", style="bold reverse")
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert len(shown.splitlines()) <= 3


NOTEBOOK = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "FORCE_COLOR": "1"}


@pytest.mark.parametrize(
    ("environment", "is_terminal", "is_redrawn"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, True),
        ({"MPLBACKEND": "agg"}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"JPY_PARENT_PID": "7"}, True, False),
        (NOTEBOOK, True, False),
        (NOTEBOOK, False, False),
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, True, False),
        ({"FORCE_COLOR": "1"}, False, False),
        ({"TTY_COMPATIBLE": "1"}, False, False),
        ({}, False, False),
    ],
    ids=str,
)
def test_only_a_terminal_that_moves_its_cursor_is_redrawn(
    environment: dict[str, str],
    is_terminal: bool,
    is_redrawn: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for other in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "JPY_PARENT_PID"):
        monkeypatch.delenv(other, raising=False)
    for name, value in {"TERM": "xterm", "MPLBACKEND": "", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    console = create_console()
    assert console.is_interactive == is_redrawn
    with show_step(console, "working"), SeedProgress(console, "seed 0", "gap", 3, 0):
        console.print("a line")
    assert ("\x1b[2K" in capsys.readouterr().out) == is_redrawn


def test_in_a_notebooks_own_process_output_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("JUPYTER_COLUMNS", "30")
    assert not create_console().is_jupyter


def test_a_log_has_whole_sentences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    create_console().print("the best trial has macro F1 0.578, " * 5)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_log_says_what_takes_long_and_leaves_stdout_to_programs(
    capsys: pytest.CaptureFixture[str], said_step: threading.Event
) -> None:
    with show_step(create_console(), "reading the faces"):
        said_step.wait(10)
    assert capsys.readouterr() == ("", "reading the faces ...\n")


def test_a_short_step_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    with show_step(create_console(), "reading the faces"):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_colours_are_for_terminals_that_want_them(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    create_console().print("loud", style="red")
    assert "\x1b[31m" in capsys.readouterr().out
    monkeypatch.setenv(name, "dumb" if name == "TERM" else "1")
    create_console().print("loud", style="red")
    assert "\x1b[31m" not in capsys.readouterr().out
