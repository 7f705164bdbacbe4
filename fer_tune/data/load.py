"""The loading of a data set, the same for every command."""

import os
from dataclasses import replace
from pathlib import Path

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable
from fer_tune.data import cache
from fer_tune.data.demo.demo_splits import DEMO_SOURCE, DEMO_WARNING, draw_demo_splits
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.formats.detect_format import read_faces
from fer_tune.data.formats.folder_scan import LEFT_OUT, has_data_suffix, scan_folder
from fer_tune.data.read_options import DEFAULT_OPTIONS, ReadOptions, SplitRule
from fer_tune.data.split import split_faces

_DEFAULT_FOLDER = Path("data")


def load_splits(path: Path | None, options: ReadOptions = DEFAULT_OPTIONS) -> Splits:
    """Return the splits of a data set; its faces are decoded once, then cached.

    path: a file or folder in any format of `fer_tune.data.formats`. None means the path in
        FER_TUNE_DATA, else the folder data/ if it holds faces, else the demo faces.

    Raises UserError for everything that the user can correct.
    """
    return split_decoded(*load_decoded(path, options), options.split_rule)


def load_decoded(path: Path | None, options: ReadOptions) -> tuple[DecodedFaces, Path | None]:
    """Return a data set's faces in its own splits, and its absolute path; None for demo faces.

    path: see `load_splits`; the errors are the same.
    """
    path = path or _find_default_path()
    for name in ("labels", "votes"):
        if path is None and getattr(options, name):
            raise UserError(f"--{name} needs a data set; name its file or folder too")
    if options.votes and not options.votes.is_file():
        raise UserError(f"{options.votes}, people's votes, is no file; name the file with --votes")
    if path is None:
        demo = draw_demo_splits()
        own = {name: demo[name] for name in SPLIT_NAMES}
        return DecodedFaces(demo.classes, own, _explain_unused_folder()), None
    try:
        _check_readable(path)
        # "." has no useful name, and a link's target may have none: hubs call it by a hash.
        origin = path.resolve() if path.name in {"", ".."} else path.parent.resolve() / path.name
        decoded = cache.load_or_decode(origin, lambda: read_faces(origin, options), options)
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be read: {error.strerror}") from None
    return decoded, origin


def split_decoded(decoded: DecodedFaces, origin: Path | None, rule: SplitRule = "near") -> Splits:
    """Return the three splits that a study makes of what `load_decoded` returned.

    Raises UserError if the faces are too few for it, or of one class.
    """
    if origin is None:
        return replace(draw_demo_splits(), notes=decoded.notes)
    try:
        splits = split_faces(decoded, origin.name, rule)
    except UserError as error:  # what was left out may be the reason
        left_out = [note for note in decoded.notes if note.startswith(LEFT_OUT)]
        raise UserError("; ".join([str(error), *left_out])) from None
    return replace(splits, source=escape_unprintable(origin.name), origin=origin)


def reload_splits(
    path: Path | None, options: ReadOptions, study: str, faces_hash: str, votes_hash: str | None
) -> Splits:
    """Return the splits of a study's faces.

    path: where they are (`Splits.origin`).
    Raises UserError if other faces or other votes are there now.
    """
    splits = load_splits(path, options) if path else draw_demo_splits()
    if splits.content_hash() != faces_hash:
        problem = f"{splits.origin or splits.source}: these are not the faces of study {study}"
        raise UserError(f"{problem}; name their file or folder with --data")
    if splits.votes_hash() != votes_hash or (options.votes and not votes_hash):
        problem = f"{options.votes or splits.origin}: these are not the votes of study {study}"
        # FER+'s folders contain the votes.
        advice = "name their file with --votes" if options.votes else "name its data with --data"
        if not votes_hash:
            advice = "it began without votes, so leave out --votes"
        raise UserError(f"{problem}; {advice}")
    return splits


def collect_remarks(splits: Splits) -> tuple[str, ...]:
    """Return sentences that everybody who reads results on these faces must know."""
    return (DEMO_WARNING, *splits.notes) if splits.source == DEMO_SOURCE else splits.notes


def _find_default_path() -> Path | None:
    if path := os.environ.get("FER_TUNE_DATA"):
        return Path(path)
    folder = _DEFAULT_FOLDER
    is_usable = folder.is_dir() and any(map(has_data_suffix, scan_folder(folder)[0]))
    return folder if is_usable else None


def _explain_unused_folder() -> tuple[str, ...]:
    """Return a note on why the demo faces are used although there is something at data/."""
    folder, reason = _DEFAULT_FOLDER, ""
    if folder.is_dir():
        try:
            if any(scan_folder(folder)):
                read_faces(folder)
        except UserError as error:
            reason = str(error)
    elif os.path.lexists(folder):
        reason = "it is not a folder" if folder.exists() else "it is a broken link"
    return (f"{folder}/ is not used: {reason}",) if reason else ()


def _check_readable(path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise UserError(f"{path} does not exist; name a file or folder of faces") from None
    if not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is neither a file nor a folder")
    if path.is_file() and not path.stat().st_size:
        raise UserError(f"{path} is empty; name a file or folder of faces")
    try:
        str(path.resolve()).encode()  # the records of a study contain it
    except UnicodeEncodeError:
        raise UserError(f"{path} has a name that is not UTF-8; rename it") from None
