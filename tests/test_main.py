import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from fer_tune.__main__ import COMMANDS, PACKAGES, main
from fer_tune.tracking import tags
from fer_tune.tracking.store import open_store

ROOT = Path(__file__).parents[1]

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


def test_help_lists_every_command_in_one_line_and_in_the_order_of_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_main("--help") == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    listed = [tuple(line) for line in lines if line and line[0] in COMMANDS]
    assert listed == list(COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_a_target_of_make_and_in_the_guide(name: str) -> None:
    def run(*command: str) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    module = f"fer_tune.{PACKAGES.get(name, name)}"
    usage = run(sys.executable, "-m", module, "--help")
    assert usage.startswith(f"usage: python -m {module} ")
    made = run("make", "--dry-run", name, "ARGS=--help")
    assert f"python -m fer_tune {name} --help" in made
    assert f"make {name} " in run("make", "help")
    assert f"\n| `{name}` |" in (ROOT / "fer_tune" / "README.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_address_of_the_tracking_store(name: str) -> None:
    parser = import_module(f"fer_tune.{PACKAGES.get(name, name)}.__main__").build_parser()
    assert "--tracking-uri URI" in parser.format_help()


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


def test_completion_without_a_reader_ends_quietly_and_on_a_full_disk_with_an_error() -> None:
    command = [sys.executable, "-m", "fer_tune", "--print-completion", "bash"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert done.stderr.startswith(b"error: the output is incomplete")


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
    assert done.stdout.split() == ["--train-faces", "--trials", "--tracking-uri"]


BASH = """
complete_now=$(complete -p fer-tune | sed 's/.*-F \\([^ ]*\\).*/\\1/')
fer-tune() {{ {python} -m fer_tune "$@"; }}
for typed in "report --study" "search --resume" "predict --model"; do
    COMP_WORDS=(fer-tune $typed "") COMP_CWORD=3
    $complete_now fer-tune "" "${{typed#* }}"
    echo "${{COMPREPLY[@]}}"
done
"""


def test_bash_completes_the_studies_and_models_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(str(tmp_path / "mlruns"))
    client = store.client
    for study in ("faces", "faces", "deleted"):
        run = client.create_run(store.experiment_id, tags={tags.STUDY: study})
    client.delete_run(run.info.run_id)
    client.create_registered_model("fer_tune")
    for version in ("1", "2"):
        client.create_model_version("fer_tune", source=str(tmp_path))
        client.set_registered_model_alias("fer_tune", "champion", version)
    client.delete_model_version("fer_tune", "1")
    run_main("--print-completion", "bash")
    script = capsys.readouterr().out + BASH.format(python=sys.executable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["faces", "faces", "fer_tune/2 fer_tune@champion"]


def test_completion_reads_names_without_a_store_and_without_large_packages(tmp_path: Path) -> None:
    typed = [sys.executable, "-c", LOADED, "--print-names", "studies"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(typed, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout.split(), done.stderr.split()) == (0, [], [])


def test_the_package_is_installed_as_fer_tune() -> None:
    (script,) = entry_points(group="console_scripts", name="fer-tune")
    assert script.load() is main
