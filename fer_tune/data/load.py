"""The loading of a data set, the same for every command."""

import os
import stat
from dataclasses import replace
from pathlib import Path

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable
from fer_tune.data import cache
from fer_tune.data.demo.demo_splits import DEMO_SOURCE, DEMO_WARNING, draw_demo_splits
from fer_tune.data.faces import Splits
from fer_tune.data.formats import read_faces
from fer_tune.data.formats.open_folder_or_zip import scan_folder
from fer_tune.data.split import split_faces

_DEFAULT_FOLDER = Path("data")


def load_splits(path: Path | None, *, skip_bad: bool = False) -> Splits:
    """Return the splits of a data set; its faces are decoded once, then cached.

    path: a file or folder in any format of `fer_tune.data.formats`. None means the path in
        FER_TUNE_DATA, else the folder data/ if it holds faces, else the demo faces.
    skip_bad: leave out unreadable rows and images, and note how many.

    Raises UserError for everything that the user can correct.
    """
    path = path or _find_default_path()
    if path is None:
        return draw_demo_splits()
    _check_readable(path)
    origin = path.resolve()  # "." and links have no useful name

    def decode() -> Splits:
        return split_faces(read_faces(origin, skip_bad=skip_bad), origin.name)

    try:
        splits = cache.load_or_decode(origin, decode, skip_bad=skip_bad)
    except OSError as error:
        raise UserError(f"{error.filename or origin} cannot be read: {error.strerror}") from None
    return replace(splits, source=escape_unprintable(origin.name), origin=origin)


def reload_splits(path: Path | None, *, skip_bad: bool = False) -> Splits:
    """Return the splits that were once loaded from `path` (`Splits.origin`)."""
    return load_splits(path, skip_bad=skip_bad) if path else draw_demo_splits()


def collect_remarks(splits: Splits) -> tuple[str, ...]:
    """Return sentences that everybody who reads results on these faces must know."""
    return (DEMO_WARNING, *splits.notes) if splits.source == DEMO_SOURCE else splits.notes


def _find_default_path() -> Path | None:
    if path := os.environ.get("FER_TUNE_DATA"):
        return Path(path)
    has_faces = _DEFAULT_FOLDER.is_dir() and scan_folder(_DEFAULT_FOLDER).files
    return _DEFAULT_FOLDER if has_faces else None


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        problem = "does not exist" if missing else f"cannot be read: {error}"
        raise UserError(f"{path} {problem}; name a file or folder of faces") from None
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise UserError(f"{path} is empty; name a file or folder of faces")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UserError(f"{path} is neither a file nor a folder")
    try:
        str(path.resolve()).encode()  # the records of a study contain it
    except UnicodeEncodeError:
        raise UserError(f"{path} has a name that is not UTF-8; rename it") from None
