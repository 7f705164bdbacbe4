"""Faces decoded once: the next start reads arrays instead of images and text."""

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from fer_tune.common import atomic
from fer_tune.common.text import escape_unprintable
from fer_tune.data.faces import SPLIT_NAMES, Faces, Splits
from fer_tune.data.formats.source_files import scan_folder

_DECODER_VERSION = 2  # raised when the same files would give other arrays
_KEY_PATTERN = re.compile("[0-9a-f]{64}")
_MAX_DATA_SETS = 5  # data sets; FER2013 takes 80 MB
_HOUR_SECONDS = 3600  # seconds; no file takes that long to write


def locate_cache_folder() -> Path:
    """Where decoded faces are kept: FER_TUNE_CACHE, or the system's place for caches."""
    named = os.environ.get("FER_TUNE_CACHE")
    if named:
        return Path(named)
    import platformdirs

    return platformdirs.user_cache_path("fer_tune")


def load_or_decode(path: Path, decode: Callable[[], Splits], *, skip_bad: bool) -> Splits:
    """What `decode` gives for the files at `path`, from the cache where it was seen before.

    Kept under a hash of the files' content. A second, small file leads there from their names,
    sizes and times, so that most starts read no source file at all. A broken cache is decoded
    again, and one that cannot be written is a note on the splits.
    """
    files = scan_folder(path).files if path.is_dir() else [path]
    stats = [f"{_DECODER_VERSION} {skip_bad}", *_list_stats(path, files)]
    stamp = locate_cache_folder() / f"{_hash_lines(stats)}.key"
    known = _read_key(stamp)
    splits = _load_npz(_locate_npz(known)) if known else None
    if splits is None:
        key = _hash_lines([stats[0], *_hash_contents(path, files)])
        splits = _load_npz(_locate_npz(key))
        if splits is None:
            splits = decode()
            # Files that changed meanwhile gave faces that belong to neither key.
            if stats[1:] == _list_stats(path, files):
                splits = _write_files(
                    splits, {_locate_npz(key): _pack_npz(splits), stamp: key.encode()}
                )
        else:
            splits = _write_files(splits, {stamp: key.encode()})
    return replace(splits, source=escape_unprintable(path.name))


def _locate_npz(key: str) -> Path:
    return locate_cache_folder() / f"{key}.npz"


def _read_key(key_file: Path) -> str | None:
    """The key that a small file leads to, which names a file of this folder and no other."""
    try:
        key = key_file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    return key if _KEY_PATTERN.fullmatch(key) else None


def _load_npz(path: Path) -> Splits | None:
    try:
        with suppress(OSError):
            os.utime(path)  # see `_prune_cache`
        # Opened here: NumPy leaves a file open that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            told = json.loads(str(kept["told"]))
            train, validation, test = (
                Faces(kept[f"{name}_images"], kept[f"{name}_labels"]) for name in SPLIT_NAMES
            )
        return Splits(
            classes=tuple(told["classes"]),
            train=train,
            validation=validation,
            test=test,
            source=told["source"],
            protocol=told["protocol"],
            notes=tuple(told["notes"]),
        )
    except Exception:  # a damaged file makes NumPy and zipfile raise nearly anything
        return None


def _pack_npz(splits: Splits) -> bytes:
    told = {name: getattr(splits, name) for name in ("classes", "source", "protocol", "notes")}
    arrays = {"told": np.array(json.dumps(told))}
    for name in SPLIT_NAMES:
        arrays[f"{name}_images"] = splits[name].images
        arrays[f"{name}_labels"] = splits[name].labels
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


def _write_files(splits: Splits, contents: dict[Path, bytes]) -> Splits:
    try:
        for path, content in contents.items():
            atomic.write_file(path, content)
        _prune_cache()
    except OSError as error:
        note = escape_unprintable(
            f"the cache in {locate_cache_folder()} cannot be written: {error.strerror}"
        )
        return replace(splits, notes=(*splits.notes, note))
    return splits


def _prune_cache() -> None:
    """Drop all but the data sets used last, what led to the others, and what a kill left behind.

    Another process that misses what it was about to read decodes it again.
    """
    faces = sorted(filter(_has_faces, _list_cache_files("*.npz")), key=_read_mtime, reverse=True)
    torn = [
        part
        for part in _list_cache_files("*.part")
        if _read_mtime(part) < time.time() - _HOUR_SECONDS
    ]
    for path in (*faces[_MAX_DATA_SETS:], *torn):
        path.unlink(missing_ok=True)
    for stamp in _list_cache_files("*.key"):
        key = _read_key(stamp)
        if key is not None and not _locate_npz(key).exists():
            stamp.unlink(missing_ok=True)


def _has_faces(path: Path) -> bool:
    """Whether the arrays in the file are named as `_pack_npz` names them."""
    try:
        with ZipFile(path) as arrays:
            return "told.npy" in arrays.namelist()
    except (OSError, BadZipFile):
        return False


def _list_cache_files(pattern: str) -> list[Path]:
    # FER_TUNE_CACHE may name a folder that holds other things.
    return [
        path
        for path in locate_cache_folder().glob(pattern)
        if _KEY_PATTERN.fullmatch(path.name.split(".")[0])
    ]


def _read_mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process was faster
        return 0.0


def _list_stats(path: Path, files: Iterable[Path]) -> list[str]:
    lines = [str(path.resolve())]
    for file in files:
        stat = file.stat()
        lines.append(f"{file} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}")
    return lines


def _hash_contents(path: Path, files: Iterable[Path]) -> list[str]:
    lines = []
    for file in files:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        lines.append(f"{file.relative_to(path) if file != path else file.name} {digest}")
    return lines


def _hash_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
