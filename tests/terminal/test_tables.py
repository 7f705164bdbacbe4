import subprocess
import sys

import pytest
from rich.table import Table

from fer_tune.terminal.tables import console, plain_table

PRINTS = """
from fer_tune.terminal.tables import console
told = console()
for line in range(20_000):
    told.print(line)
print("done", file=__import__("sys").stderr)
"""


def test_a_command_whose_reader_leaves_goes_on() -> None:
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


@pytest.mark.parametrize("told", [NAME, plain_table([NAME], [[""]]), plain_table([""], [[NAME]])])
def test_names_are_shown_as_they_are_and_do_nothing(
    told: str | Table, capsys: pytest.CaptureFixture[str]
) -> None:
    console().print(told, width=200)
    shown = capsys.readouterr().out
    assert SHOWN in shown
    assert "\x1b" not in shown


def test_text_of_several_lines_keeps_them(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("one\ntwo")
    assert capsys.readouterr().out == "one\ntwo\n"
