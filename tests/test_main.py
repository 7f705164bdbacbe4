import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from fer_tune.__main__ import COMMANDS, main

# Packages whose import takes longer than a person waits for help.
HEAVY = [
    "albumentations",
    "cv2",
    "matplotlib",
    "mlflow",
    "optuna",
    "pandas",
    "pydantic",
    "ray",
    "rich",
    "sklearn",
    "torch",
]
LOADED = f"""
import sys
from fer_tune.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print(*sorted(set(sys.modules) & set({HEAVY})), file=sys.stderr)
"""


def run_main(*typed: str) -> object:
    with pytest.raises(SystemExit) as end:
        main(typed)
    return end.value.code


def test_help_lists_every_command_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("--help") == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert {tuple(line) for line in lines if line} >= set(COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_shows_an_example_and_fits_a_terminal(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/fer-tune"])
    monkeypatch.setenv("COLUMNS", "80")
    assert run_main(name, "--help") == 0
    output = capsys.readouterr().out
    assert output.startswith(f"usage: fer-tune {name} ")
    assert f"\n  fer-tune {name} " in output.partition("\nexample")[2]
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize("typed", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_loads_nothing_that_takes_long(typed: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *typed, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: ")
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    ("argv_0", "typed"),
    [
        ("/bin/fer-tune", "fer-tune data"),
        ("fer-tune.exe", "fer-tune data"),
        ("/src/fer_tune/__main__.py", "python -m fer_tune data"),
        ("/src/fer_tune/data/__main__.py", "python -m fer_tune.data"),
    ],
)
def test_a_command_is_named_as_it_was_typed(
    argv_0: str, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [argv_0])
    run_main("data", "--help")
    assert capsys.readouterr().out.startswith(f"usage: {typed} [")


def test_a_command_gets_the_other_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("search", "--trials", "none") == 2
    assert capsys.readouterr().err.startswith("error: argument --trials: invalid whole number")


@pytest.mark.parametrize("typed", [[], ["serach"], ["--trials", "3"], ["--print-completion", "sh"]])
def test_an_unknown_command_is_reported_in_one_line(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(*typed) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_its_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("--print-completion", shell) == 0
    script = capsys.readouterr().out
    for known in (*COMMANDS, "train-faces", "seeds", "output", "tracking-uri", "sqrt_sampler"):
        assert known in script


def test_bash_completes_options(capsys: pytest.CaptureFixture[str]) -> None:
    run_main("--print-completion", "bash")
    script = (
        capsys.readouterr().out
        + """
        complete_now=$(complete -p fer-tune | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_WORDS=(fer-tune search --tr) COMP_CWORD=2
        $complete_now fer-tune --tr search
        echo "${COMPREPLY[@]}"
    """
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--trials", "--train-faces", "--tracking-uri"]


def test_the_package_is_installed_as_fer_tune() -> None:
    (script,) = entry_points(group="console_scripts", name="fer-tune")
    assert script.load() is main
