"""Mistakes of people, through the commands: one line, exit code 2, nothing written."""

import importlib
import io
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from fer_tune.common.cli import run_command

PIXELS = " ".join(["7"] * 2304)
USAGES = ("Training", "PublicTest", "PrivateTest")
ROWS = [f"{n % 2},{' '.join([str(n)] * 2304)},{USAGES[n % 3]}" for n in range(12)]


def make_csv(*rows: str) -> bytes:
    return "\n".join(["emotion,pixels,Usage", *ROWS, *rows, ""]).encode()


def make_zip(name: str, content: bytes = b"x") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def make_drawing() -> bytes:
    packed = io.BytesIO()
    Image.new("L", (48, 48)).save(packed, "EPS")
    return packed.getvalue()


# Name of the file, its content, and a piece of the message.
FACES = {
    "an empty file": ("f.csv", b"", "f.csv is empty"),
    "a header alone": ("f.csv", b"emotion,pixels\n", "holds no readable faces"),
    "a row cut short": ("f.csv", make_csv()[:-6000], "row 13: columns: 2, but the header has 3"),
    "2,303 pixels": ("f.csv", make_csv(f"0,{PIXELS[2:]},Training"), "row 14: column pixels: 2,303"),
    "a pixel of 256": ("f.csv", make_csv(f"0,256{PIXELS[1:]},Training"), "number 1 is '256'"),
    "a pixel of -1": ("f.csv", make_csv(f"0,-1{PIXELS[1:]},Training"), "number 1 is '-1'"),
    "a pixel of x": ("f.csv", make_csv(f"0,x{PIXELS[1:]},Training"), "number 1 is 'x'"),
    "label 7": (
        "f.csv",
        make_csv(f"7,{PIXELS},Training"),
        "row 14: column emotion: '7' is not 0 to 6",
    ),
    "an unknown Usage": ("f.csv", make_csv(f"0,{PIXELS},Tset"), "row 14: column Usage: 'Tset'"),
    "one class": ("f.csv", f"emotion,pixels\n0,{PIXELS}\n".encode(), "one class only (angry)"),
    "no labels": ("f.csv", f"pixels\n{PIXELS}\n".encode(), "no column emotion"),
    "a broken image": ("f.zip", make_zip("train/sad/1.png", b"\x89PNG"), "train/sad/1.png: "),
    "a program": (
        "f.zip",
        make_zip("train/sad/1.png", make_drawing()),
        "not an image of a known kind",
    ),
    "a zip cut short": ("f.zip", make_zip("train/sad/1.png")[:60], "broken zip file"),
    "a zip in a zip": ("f.zip", make_zip("in.zip"), "unpack it first"),
    "broken parquet": ("f.parquet", b"PAR1" * 9, "is a broken parquet file"),
    "a class called [red]": ("f.zip", make_zip("[red]/1.png", make_drawing()), "not an image"),
    "a name of control characters": ("\x1b[2J\n.csv", b"", "\\x1b[2J\\n.csv is empty"),
    "a name that is no text": (os.fsdecode(b"\xff.csv"), b"x", "\\udcff.csv is no UTF-8"),
}
SPACES = {
    "no YAML": (b"[", "space.yaml: not YAML: "),
    "code": (b"parameters: !!python/object/apply:os.mkdir [ran]", "could not determine a"),
    "aliases": (b"a: &a [1]\nb: *a", "an alias (*)"),
    "a date that is none": (b"parameters: 2001-99-99", "'2001-99-99' is no timestamp"),
    "an unknown key": (b"parameters: {}\nspam: 1", "space.yaml: "),
    "no text": (b"\xff\xfe", "cannot be read"),
}
OPTIONS = {
    "a missing path": (["--data", "nowhere.csv"], "nowhere.csv does not exist"),
    "an unwritable store": (["--tracking-uri", "/proc/nowhere"], "cannot be written"),
    "a server that is not there": (["--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
    "an unwritable storage": (["--storage", "/proc/nowhere"], "cannot be written"),
    "GPUs that are not there": (
        ["--gpus-per-trial", "99"],
        "--gpus-per-trial 99: the largest machine has",
    ),
    "an unknown study": (["--resume", "unknown"], "no study unknown"),
    "a study outside the storage": (["--resume", "../up"], "study name '../up'"),
    "a name outside the storage": (["--study", "../up"], "study name '../up'"),
    "a study outside a bucket": (
        ["--storage", "s3://bucket", "--resume", "../../.."],
        "study name '../../..'",
    ),
    "an unknown metric": (["--metric", "val/makro_f1"], "closest: val/macro_f1"),
    "an unknown option": (["--spcae", "x"], "unrecognized arguments: --spcae"),
    "a number that is none": (["--trials", "many"], "--trials"),
    "more finalists than trials": (
        ["--trials", "4", "--finalists", "5"],
        "--finalists 5: the study has 4 trials",
    ),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("FER_TUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)


def list_files() -> list[Path]:
    return sorted(path for path in Path().rglob("*") if path.is_file())


def read_error(module: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail; return its only line on stderr."""
    before = list_files()
    with pytest.raises(SystemExit) as ended:
        run_command(importlib.import_module(module).main, arguments)
    assert ended.value.code == 2
    assert list_files() == before
    line, end = capsys.readouterr().err.split("\n")
    assert line.startswith("error: ")
    assert line.isprintable()
    assert not end
    return line


@pytest.mark.parametrize("module", ["fer_tune.search.__main__", "fer_tune.data.__main__"])
@pytest.mark.parametrize("case", FACES)
def test_faces_that_cannot_be_used(
    case: str, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content, problem = FACES[case]
    Path(name).write_bytes(content)
    option = ["--data"] if module == "fer_tune.search.__main__" else []
    assert problem in read_error(module, [*option, name], capsys)


@pytest.mark.parametrize("case", SPACES)
def test_a_space_that_cannot_be_used(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    content, problem = SPACES[case]
    Path("space.yaml").write_bytes(content)
    Path("sound.csv").write_bytes(make_csv())
    arguments = ["--data", "sound.csv", "--space", "space.yaml"]
    assert problem in read_error("fer_tune.search.__main__", arguments, capsys)


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_cannot_be_used(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, problem = OPTIONS[case]
    Path("sound.csv").write_bytes(make_csv())
    assert problem in read_error(
        "fer_tune.search.__main__", ["--data", "sound.csv", *arguments], capsys
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--study", "any"], "no studies in"),
        (["--study", "any", "--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
        (["--study", "any", "--trial", "-1"], "--trial"),
        ([], "--study"),
    ],
)
def test_a_retraining_of_nothing(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert problem in read_error("fer_tune.retrain.__main__", arguments, capsys)


def test_of_many_bad_rows_the_count_and_the_first_ten_are_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("f.csv").write_bytes(make_csv(*["1,7,Training"] * 25))
    with pytest.raises(SystemExit, match="2"):
        run_command(importlib.import_module("fer_tune.search.__main__").main, ["--data", "f.csv"])
    first, *rows = capsys.readouterr().err.splitlines()
    assert first == ("error: f.csv: 25 bad faces (--skip-bad leaves them out); the first 10:")
    assert rows == [
        f"  f.csv, row {row}: column pixels: 1 pixel instead of 2,304 (48 x 48)"
        for row in range(14, 24)
    ]
