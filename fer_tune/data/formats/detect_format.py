"""Finds out what a path holds and reads it."""

from contextlib import ExitStack
from pathlib import Path

from fer_tune.common.errors import UserError, plain
from fer_tune.data.formats import class_and_split_names as names
from fer_tune.data.formats import csv_file
from fer_tune.data.formats import image_file as images
from fer_tune.data.formats import image_folders as folders
from fer_tune.data.formats import parquet_file as parquet
from fer_tune.data.formats.decoded_faces import Collector, Decoded
from fer_tune.data.formats.source_files import Entry, barren, opened, unzipped, walk

KNOWN = "fer2013.csv, image folders by class, a zip of either, or parquet with images and labels"


def read(path: Path, *, skip_bad: bool = False) -> Decoded:
    """The faces at `path`: a file, or a folder that holds them.

    Raises UserError for anything that is no faces, or more than one possible reading.
    """
    into = Collector(path.name, skip_bad=skip_bad)
    links = walk(path).links if path.is_dir() else 0
    if links:
        into.notes[f"links to folders, or out of the folder, not followed: {links:,}"] = None
    with ExitStack() as stack:
        entries = stack.enter_context(opened(path))
        kinds = _by_kind(entries, path)
        if set(kinds) == {".zip"} and path.is_dir():
            entries = stack.enter_context(unzipped(_only(kinds[".zip"], path)))
            kinds = _by_kind(entries, path)
        _read_kind(kinds, path, into)
        return into.decoded()


def _by_kind(entries: list[Entry], path: Path) -> dict[str, list[Entry]]:
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kind = "images" if entry.suffix in images.SUFFIXES else entry.suffix
        kinds.setdefault(kind, []).append(entry)
    if path.is_file() and _starts_with(path, b"PAR1"):
        return {".parquet": entries}
    # A list of file names beside the images is no second data set.
    if len(kinds) > 1 and not any(map(csv_file.has_faces, kinds.get(".csv", []))):
        kinds.pop(".csv", None)
    return kinds


def _read_kind(kinds: dict[str, list[Entry]], path: Path, into: Collector) -> None:
    if len(kinds) > 1:
        found = ", ".join(sorted(str(every[0].path) for every in kinds.values()))
        raise UserError(f"{path} can be read in several ways ({found}); name one of them")
    match list(kinds.items()):
        case [("images", [entry])] if path.is_file() and entry.path.name == path.name:
            raise UserError(f"{path} is a single image; name the folder with all of them")
        case [("images", entries)]:
            folders.read(entries, into)
            if path.is_dir() and (without := barren(path)):
                first = plain(str(without[0].relative_to(path)))
                into.notes[f"folders without images: {len(without):,} (first: {first})"] = None
        case [(".parquet", entries)]:
            for entry in entries:
                parquet.read(entry, into)
        case [(".zip", _)]:
            raise UserError(f"{path} is no whole zip file, or holds another one; unpack it first")
        case [(_, entries)]:
            _read_csv(entries, path, into)
        case _:
            noted = "".join(f" ({note})" for note in into.notes)
            raise UserError(f"{path} holds no faces{noted}; wanted: {KNOWN}")


def _read_csv(entries: list[Entry], path: Path, into: Collector) -> None:
    # Beside the challenge's train.csv lie a test.csv without labels and a sample submission.
    readable = [entry for entry in entries if csv_file.has_faces(entry)] or entries[:1]
    splits = [names.split_of_table(entry.path.name) for entry in readable]
    if len(readable) > 1 and (None in splits or len(set(splits)) < len(splits)):
        found = ", ".join(str(entry.path) for entry in readable)
        raise UserError(f"{path} holds several data sets ({found}); name one of them")
    for entry, split in zip(readable, splits, strict=True):
        csv_file.read(entry, split, into)


def _only(entries: list[Entry], path: Path) -> Entry:
    if len(entries) > 1:
        found = ", ".join(str(entry.path) for entry in entries)
        raise UserError(f"{path} holds several zip files ({found}); name one of them")
    return entries[0]


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
