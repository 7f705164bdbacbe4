"""The files under a folder: where links lead, what systems leave behind, what is passed over."""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable
from fer_tune.data.formats.image_file import SUFFIXES

DATA_SUFFIXES = SUFFIXES | {".csv", ".parquet", ".zip"}
# Of macOS, Windows, Linux, Python, and of network storage; in lower case.
_SYSTEM_NAMES = frozenset(
    (
        *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"),
        *("recycler", "system volume information", "lost+found", "__pycache__", "@eadir"),
        *(
            "#recycle",
            "#snapshot",
            "@recycle",
            "@recently-snapshot",
            "@tmp",
            "~snapshot",
            "recycled",
        ),
    )
)
_SUFFIX_PATTERN = re.compile(r"\.\w{1,10}")
_MAX_SUFFIXES_LISTED = 5
# Images of these kinds are passed over, so the note says what to do.
_OTHER_IMAGES = frozenset(
    (".avif", ".cr2", ".dng", ".heic", ".heif", ".j2k", ".jp2", ".jpx", ".jxl", ".nef", ".tga")
)


class FolderScan(NamedTuple):
    """What lies under a folder.

    files: all files but those that systems leave behind, sorted.
    empty_folders: folders with neither data files nor folders in them.
    notes: sentences on the links.
    """

    files: list[Path]
    empty_folders: list[Path]
    notes: list[str]


def scan_folder(root: Path) -> FolderScan:
    """Return what lies under `root`; links are followed, and no folder is read twice.

    Raises UserError if a folder cannot be read.
    """
    files, empty = list[Path](), list[Path]()
    followed, broken, repeated = list[Path](), list[Path](), list[Path]()
    seen = set(root.resolve().parents)  # a link to one of them leads in a circle
    starts = [root]
    while starts:  # the folder itself, then where its links lead, then where theirs do
        links = list[Path]()
        for folder, folders, names in (found for start in starts for found in _walk_folders(start)):
            if (resolved := folder.resolve()) in seen:
                repeated.append(folder)
                folders.clear()
                continue
            seen.add(resolved)
            modes = {folder / name: _read_mode(folder / name) for name in (*names, *folders)}
            files += [path for path, mode in modes.items() if stat.S_ISREG(mode)]
            links += [path for path, mode in modes.items() if stat.S_ISLNK(mode)]
            if not folders and not any(has_data_suffix(path) for path in modes):
                empty.append(folder)
        targets = {link: _read_mode(link, follow_links=True) for link in sorted(links)}
        files += (linked := [link for link, mode in targets.items() if stat.S_ISREG(mode)])
        starts = [link for link, mode in targets.items() if stat.S_ISDIR(mode)]
        followed += linked + starts
        broken += [link for link, mode in targets.items() if not mode]
    notes = [
        *_describe_paths("links followed", sorted(set(followed).difference(repeated)), root),
        *_describe_paths("links that lead nowhere", broken, root),
        *_describe_paths("links to folders that are read already", repeated, root),
    ]
    return FolderScan(sorted(files), sorted(empty), notes)


def describe_passed_over(paths: Sequence[PurePath]) -> list[str]:
    """Return a note on files that are not read, counted by suffix; none for no files."""
    if not paths:
        return []
    suffixes = Counter(_read_suffix(path) for path in paths)
    listed = suffixes.most_common(_MAX_SUFFIXES_LISTED)
    counts = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in listed]
    if others := suffixes.total() - sum(count for _, count in listed):
        counts.append(f"{others:,} others")
    note = f"files passed over: {', '.join(counts)} (first: {escape_unprintable(str(min(paths)))})"
    advice = "; convert images among them to PNG" if suffixes.keys() & _OTHER_IMAGES else ""
    return [note + advice]


def has_data_suffix(path: PurePath) -> bool:
    """Return whether a file's name ends like that of images, a table of faces or a zip."""
    return path.suffix.lower() in DATA_SUFFIXES


def is_system_name(name: str) -> bool:
    """Return whether a file or folder is hidden, or one that systems leave behind."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def _read_suffix(path: PurePath) -> str:
    suffix = path.suffix.lower()
    return suffix if _SUFFIX_PATTERN.fullmatch(suffix) else ""


def _walk_folders(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder with the names of its folders and files."""
    try:
        for folder, folders, names in os.walk(root, onerror=_raise_unreadable):
            folders[:] = sorted(name for name in folders if not is_system_name(name))
            yield Path(folder), folders, [name for name in names if not is_system_name(name)]
    except RecursionError:
        raise UserError(f"{root} holds too many nested folders; name one of them") from None


def _read_mode(path: Path, *, follow_links: bool = False) -> int:
    """Return the kind of a file as `stat` tells it apart, 0 if it cannot be found."""
    try:
        return path.stat(follow_symlinks=follow_links).st_mode
    except OSError as error:  # a link that leads nowhere, or a file that was just deleted
        if not follow_links and not isinstance(error, FileNotFoundError):
            _raise_unreadable(error)
        return 0


def _describe_paths(what: str, paths: Sequence[Path], root: Path) -> list[str]:
    if not paths:
        return []
    first = escape_unprintable(str(min(paths).relative_to(root)))
    return [f"{what}: {len(paths):,} (first: {first})"]


def _raise_unreadable(error: OSError) -> None:
    raise UserError(
        f"{error.filename} cannot be read: {error.strerror}; make it readable, or move it away"
    )
