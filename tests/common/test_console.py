import subprocess
import sys

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
