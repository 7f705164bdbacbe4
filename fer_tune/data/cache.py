"""A cache of decoded faces and groups of near-duplicates, which the next start only reads."""

import hashlib
import io
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_tune.common import atomic
from fer_tune.common.safe_text import escape_unprintable
from fer_tune.data.duplicates import METHOD_VERSION, group_near_duplicates
from fer_tune.data.faces import Faces
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.formats.folder_scan import has_data_suffix, scan_folder
from fer_tune.data.read_options import DEFAULT_OPTIONS, ReadOptions

_DECODER_VERSION = 5  # raised when the same files would give other arrays
# Of all files of the cache: FER_TUNE_CACHE may have files of others.
_PREFIX = "decoded-faces-"
_GROUPS_PREFIX = "near-duplicates-"
_MAX_DATA_SETS = 5  # FER2013 takes 80 MB
_HOUR_SECONDS = 3600  # no file takes longer to write
_PARTS = ("images", "labels", "names", "votes")  # fields of `Faces`; votes may be missing
_ABOUT = "about"  # the array of everything but faces

_Arrays = dict[str, NDArray[Any]]


def locate_cache_folder() -> Path:
    """Return FER_TUNE_CACHE, or else the system's folder for caches."""
    if folder := os.environ.get("FER_TUNE_CACHE"):
        return Path(folder)
    import platformdirs

    return platformdirs.user_cache_path("fer_tune")


def load_or_decode(
    path: Path, decode: Callable[[], DecodedFaces], options: ReadOptions
) -> DecodedFaces:
    """Return what `decode` makes of the files at `path`, from the cache if they have not changed.

    The key is the options and the names, sizes and times of the files, so most starts read no
    source file. A moved copy is decoded again, and so are a broken cache and that of an earlier
    version. If the cache cannot be written, a note says so.
    """
    key = _hash_stats(path, options)
    with suppress(Exception):  # a missing or damaged file may raise nearly anything
        return _to_decoded_faces(_read_arrays(f"{_PREFIX}{key}"))
    decoded = decode()
    if key != _hash_stats(path, options):  # a file changed while it was read
        return decoded
    try:
        _write_arrays(_PREFIX, key, _to_arrays(decoded))
    except OSError as error:
        note = f"the cache in {locate_cache_folder()} cannot be written: {error.strerror}"
        return replace(decoded, notes=(*decoded.notes, escape_unprintable(note)))
    return decoded


def load_or_group(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the groups of near-duplicates of images, (N, 48, 48), from the cache if it has them.

    The key is the images, so moved files change nothing. If the cache cannot be written, the
    groups are computed at each start.
    """
    digest = hashlib.sha256(f"{METHOD_VERSION}".encode())
    digest.update(np.ascontiguousarray(images).data)
    key = digest.hexdigest()
    with suppress(Exception):
        return _read_arrays(f"{_GROUPS_PREFIX}{key}")["groups"]
    groups = group_near_duplicates(images)
    with suppress(OSError):
        _write_arrays(_GROUPS_PREFIX, key, {"groups": groups})
    return groups


def _hash_stats(path: Path, options: ReadOptions) -> str:
    # The rule decides what is made of the decoded faces.
    decoding = replace(options, split_rule=DEFAULT_OPTIONS.split_rule)
    lines = [f"{_DECODER_VERSION} {decoding}", str(path.resolve())]
    files, notes = scan_folder(path) if path.is_dir() else ([path], [])
    lines += notes
    votes = [options.votes] if options.votes else []
    for file in [*files, *votes]:
        line = str(file)
        # Of other files, only the names are noted.
        if file in (path, *votes) or has_data_suffix(file):
            stat = file.stat()
            line += f" {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
        lines.append(line)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _to_decoded_faces(arrays: Any) -> DecodedFaces:
    about = json.loads(str(arrays[_ABOUT]))
    splits = {
        name: Faces(*(arrays.get(f"{name}_{part}") for part in _PARTS)) for name in about["splits"]
    }
    classes, notes = tuple(about["classes"]), tuple(about["notes"])
    return DecodedFaces(classes, splits, notes, about["has_splits"])


def _to_arrays(decoded: DecodedFaces) -> _Arrays:
    about = {name: getattr(decoded, name) for name in ("classes", "notes", "has_splits")}
    arrays = {_ABOUT: np.array(json.dumps({**about, "splits": list(decoded.splits)}))}
    for name, faces in decoded.splits.items():
        parts = {f"{name}_{part}": getattr(faces, part) for part in _PARTS}
        arrays |= {part: array for part, array in parts.items() if array is not None}
    return arrays


def _read_arrays(name: str) -> _Arrays:
    path = locate_cache_folder() / f"{name}.npz"
    with suppress(OSError):
        os.utime(path)  # `_prune_cache` deletes the files used least recently
    # Opened by us: NumPy leaves a file open that it cannot read.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _write_arrays(prefix: str, key: str, arrays: _Arrays) -> None:
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    atomic.write_file(locate_cache_folder() / f"{prefix}{key}.npz", packed.getvalue())
    _prune_cache(prefix)


def _prune_cache(prefix: str) -> None:
    """Delete all but the files used last, and what a killed process left unfinished."""
    with suppress(FileNotFoundError):  # another process does the same
        used = {file: file.stat().st_mtime for file in locate_cache_folder().glob(f"{prefix}*")}
        for file in sorted(used, key=lambda file: -used[file])[_MAX_DATA_SETS:]:
            if file.suffix == ".npz" or used[file] < time.time() - _HOUR_SECONDS:
                file.unlink(missing_ok=True)
