"""The one door through which every command gets its faces."""

import os
import stat
from dataclasses import replace
from pathlib import Path

from fer_tune.common.errors import UserError
from fer_tune.common.text import escape_unprintable
from fer_tune.data import cache
from fer_tune.data.demo import demo_splits
from fer_tune.data.faces import Splits
from fer_tune.data.formats import read_faces, source_files
from fer_tune.data.split import split_faces

_DEFAULT_FOLDER = Path("data")


def load_splits(path: Path | None, *, skip_bad: bool = False) -> Splits:
    """The faces at `path`, decoded once and divided.

    path: any of the formats in `fer_tune.data.formats`. None: what FER_TUNE_DATA names, else the
        folder data/ where it holds faces, else the drawn demo faces, whose `source` is
        `demo.SOURCE`.
    skip_bad: leave out rows and images that cannot be read, and note how many.

    Raises UserError for whatever the user can put right.
    """
    found = path or _find_default_path()
    if found is None:
        return demo_splits.draw_demo_splits()
    _check_readable(found)
    found = found.resolve()  # "." and links have no telling name
    try:
        splits = cache.load_or_decode(
            found,
            lambda: split_faces(read_faces(found, skip_bad=skip_bad), found.name),
            skip_bad=skip_bad,
        )
        return replace(splits, source=escape_unprintable(found.name), origin=found)
    except OSError as error:
        raise UserError(f"{error.filename or found} cannot be read: {error.strerror}") from None


def reload_splits(path: Path | None, *, skip_bad: bool = False) -> Splits:
    """The faces that were once loaded from `origin` (`Splits.origin`)."""
    return load_splits(path, skip_bad=skip_bad) if path else demo_splits.draw_demo_splits()


def collect_remarks(splits: Splits) -> tuple[str, ...]:
    """What whoever looks at results on these faces must know, one sentence each."""
    return (
        (demo_splits.DEMO_WARNING, *splits.notes)
        if splits.source == demo_splits.DEMO_SOURCE
        else splits.notes
    )


def _find_default_path() -> Path | None:
    named = os.environ.get("FER_TUNE_DATA")
    if named:
        return Path(named)
    if _DEFAULT_FOLDER.is_dir() and source_files.scan_folder(_DEFAULT_FOLDER).files:
        return _DEFAULT_FOLDER
    return None


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        told = "does not exist" if isinstance(error, FileNotFoundError) else f"unreadable: {error}"
        raise UserError(f"{path} {told}; name a file or folder of faces") from None
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise UserError(f"{path} is empty")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UserError(f"{path} is neither a file nor a folder")
    try:
        str(path.resolve()).encode()  # the records of a study name it
    except UnicodeEncodeError:
        raise UserError(f"{path} has a name that is no UTF-8; rename it") from None
