import io
import subprocess
import sys
from collections.abc import Sequence

import pytest

from fer_tune.common.cli import run_command
from fer_tune.common.console import create_console

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
