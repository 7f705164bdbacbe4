"""The files under a folder: where links lead, what systems leave behind, what is skipped."""

import os
import re
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from fer_tune.common.errors import explain_os_errors
from fer_tune.common.safe_text import escape_unprintable, pluralize
from fer_tune.data.formats.image_file import SUFFIXES

DATA_SUFFIXES = SUFFIXES | {".csv", ".parquet", ".zip"}
# Of macOS, Windows, Linux, Python, and of network storage; in lower case.
_SYSTEM_NAMES = frozenset(
    (
        *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"),
        *("recycler", "system volume information", "lost+found", "__pycache__", "@eadir"),
        *("@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "~snapshot"),
    )
)
_SUFFIX_PATTERN = re.compile(r"\.\w{1,10}")
_MAX_SUFFIXES_LISTED = 5
# First words of the notes on faces that may be missing.
LEFT_OUT = _SKIPPED, _BROKEN_LINKS = "files skipped", "links to missing or unreadable files"
_ADVICE = "make it readable, or move it away"


def scan_folder(root: Path) -> tuple[list[Path], list[str]]:
    """Return the files under `root`, sorted, and notes; links are followed, no folder read twice.

    Files that systems leave behind are left out. The notes are on folders without data, and on
    links that lead nowhere, or to what is read already.

    Raises UserError if a folder cannot be read.
    """
    files, empty, broken, repeated = list[Path](), list[Path](), list[Path](), list[Path]()
    # A link to a parent is a circle.
    seen = {_read_identity(folder) for folder in root.resolve().parents}
    pending = [root]
    while pending:  # the folder, then the targets of its links, then of theirs
        links = list[Path]()
        for folder in pending:  # its subfolders are appended
            if (identity := _read_identity(folder)) in seen:
                repeated.append(folder)
                continue
            seen.add(identity)
            own_folders, own_files, own_links = _list_entries(folder)
            pending += own_folders
            files += own_files
            links += own_links
            if not (own_folders or own_links or any(map(has_data_suffix, own_files))):
                empty.append(folder)
        modes = {link: _read_mode(link) for link in links}
        files += [link for link, mode in modes.items() if stat.S_ISREG(mode)]
        pending = [link for link, mode in modes.items() if stat.S_ISDIR(mode)]
        broken += [link for link, mode in modes.items() if not mode]
    notes = {
        "folders without images or tables": [folder for folder in empty if folder != root],
        _BROKEN_LINKS: broken,
        "links to folders that are read already": repeated,
    }
    return sorted(files, key=str), [
        f"{what}: {len(paths):,} (first: {escape_unprintable(str(min(paths).relative_to(root)))})"
        for what, paths in notes.items()
        if paths
    ]


def describe_skipped_files(paths: Sequence[PurePath]) -> list[str]:
    """Return a note on files that are not read, counted by suffix; none for no files."""
    if not paths:
        return []
    suffixes = Counter(_read_suffix(path) for path in paths)
    listed = suffixes.most_common(_MAX_SUFFIXES_LISTED)
    counts = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in listed]
    if others := suffixes.total() - sum(count for _, count in listed):
        counts.append(pluralize(others, "other"))
    first = min(path for path in paths if _read_suffix(path) == listed[0][0])
    return [f"{_SKIPPED}: {', '.join(counts)} (first: {escape_unprintable(str(first))})"]


def has_data_suffix(path: PurePath) -> bool:
    """Return whether a file's name ends like that of images, a table of faces or a zip."""
    return path.suffix.lower() in DATA_SUFFIXES


def is_system_name(name: str) -> bool:
    """Return whether a file or folder is hidden, or one that systems leave behind."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def _read_suffix(path: PurePath) -> str:
    suffix = path.suffix.lower()
    return suffix if _SUFFIX_PATTERN.fullmatch(suffix) else ""


def _list_entries(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the folders, files and links in a folder, without those that systems leave behind."""
    with explain_os_errors(f"{folder} cannot be read", _ADVICE), os.scandir(folder) as entries:
        own = [entry for entry in entries if not is_system_name(entry.name)]
    links = [folder / entry.name for entry in own if entry.is_symlink()]
    folders = [folder / entry.name for entry in own if entry.is_dir(follow_symlinks=False)]
    files = [folder / entry.name for entry in own if entry.is_file(follow_symlinks=False)]
    return sorted(folders), files, sorted(links)


def _read_identity(folder: Path) -> tuple[int, int]:
    """Return the numbers that identify a folder, also behind a link."""
    with explain_os_errors(f"{folder} cannot be read", _ADVICE):
        status = folder.stat()
    return status.st_dev, status.st_ino


def _read_mode(link: Path) -> int:
    """Return the kind of file that a link leads to, as `stat` returns it; 0 for none."""
    try:
        return link.stat().st_mode
    except OSError:
        return 0
