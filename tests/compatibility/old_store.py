"""The records that commit 73610da left, kept as text and rebuilt in any folder."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

# README.md in this folder describes what is in it.
RECORDS = Path(__file__).parent / "before_renames"
PLACEHOLDER = "@ROOT@"
DATABASE = Path("mlruns", "mlflow.db")
DUMP = "mlflow.sql"
FACES = "faces"
# Keeps pytest, ruff and mypy away from the code that a logged model carries with it.
DISGUISE = ".txt"

_CLASSES = ("happy", "sad")
_COUNTS = {"train": 120, "validation": 40, "test": 40}  # faces of each class
_SIDE = 48


def draw_faces(folder: Path) -> None:
    """Write the faces of the recorded studies: the same pixels on every machine, in any year.

    Each is noise from a hash function; the faces of one class are brighter, by and large.
    """
    for split, count in _COUNTS.items():
        for label, name in enumerate(_CLASSES):
            place = folder / split / name
            place.mkdir(parents=True)
            for index in range(count):
                seed = f"{split} {name} {index}".encode()
                noise = np.frombuffer(hashlib.shake_256(seed).digest(_SIDE**2), dtype=np.uint8)
                light = 100 + 20 * label + int(noise[0]) % 50  # of 255
                image = (noise.astype(np.uint16) * light // 255).astype(np.uint8)
                Image.fromarray(image.reshape(_SIDE, _SIDE)).save(place / f"{index:03d}.png")


def rebuild(root: Path) -> None:
    """Make `root` the working folder in which the recorded studies were run."""
    draw_faces(root / FACES)
    for source in _files(RECORDS):
        target = root / source.relative_to(RECORDS)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.name.endswith(f".py{DISGUISE}"):
            target = target.with_name(target.name.removesuffix(DISGUISE))
        shutil.copyfile(source, target)
        _replace(target, PLACEHOLDER, str(root))
    script = (root / DUMP).read_text(encoding="utf-8")
    with closing(sqlite3.connect(root / DATABASE)) as database:
        database.executescript(script)


def keep(root: Path, files: Iterator[Path]) -> None:
    """Replace what is in RECORDS with the database and these files of the working folder `root`."""
    for old in (RECORDS / "mlruns", RECORDS / DUMP):
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    for source in files:
        target = RECORDS / source.relative_to(root)
        if target.suffix == ".py":
            target = target.with_name(target.name + DISGUISE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        _replace(target, str(root), PLACEHOLDER)
    with closing(sqlite3.connect(root / DATABASE)) as database:
        script = "".join(_shortened(database.iterdump()))
    (RECORDS / DUMP).write_text(script.replace(str(root), PLACEHOLDER), encoding="utf-8")


def _shortened(statements: Iterable[str]) -> Iterator[str]:
    """Join what is inserted into one table to one statement, a row a line."""
    for start, group in groupby(statements, lambda each: each.partition(" VALUES(")[0]):
        if start.startswith("INSERT"):
            rows = (each.removeprefix(f"{start} VALUES").removesuffix(";") for each in group)
            yield f"{start} VALUES\n" + ",\n".join(rows) + ";\n"
        else:
            yield "".join(f"{each}\n" for each in group)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _replace(path: Path, old: str, new: str) -> None:
    """Replace a text in a file; a file that is no text stays as it is."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    path.write_text(text.replace(old, new), encoding="utf-8")
