"""Finds out what a path holds and reads it."""

from contextlib import ExitStack
from pathlib import Path

from fer_tune.common.errors import UserError
from fer_tune.common.text import escape_unprintable
from fer_tune.data.formats import class_and_split_names as class_and_split_names
from fer_tune.data.formats import csv_file, image_file, image_folders, parquet_file
from fer_tune.data.formats.decoded_faces import DecodedFaces, FaceCollector
from fer_tune.data.formats.source_files import (
    SourceFile,
    find_empty_folders,
    open_nested_zip,
    open_source,
    scan_folder,
)

KNOWN_FORMATS = (
    "fer2013.csv, image folders by class, a zip of either, or parquet with images and labels"
)


def read_faces(path: Path, *, skip_bad: bool = False) -> DecodedFaces:
    """The faces at `path`: a file, or a folder that holds them.

    Raises UserError for anything that is no faces, or more than one possible reading.
    """
    into = FaceCollector(path.name, skip_bad=skip_bad)
    links = scan_folder(path).links if path.is_dir() else 0
    if links:
        into.notes[f"links to folders, or out of the folder, not followed: {links:,}"] = None
    with ExitStack() as stack:
        entries = stack.enter_context(open_source(path))
        kinds = _group_by_kind(entries, path)
        if set(kinds) == {".zip"} and path.is_dir():
            entries = stack.enter_context(open_nested_zip(_require_one_zip(kinds[".zip"], path)))
            kinds = _group_by_kind(entries, path)
        _read_kind(kinds, path, into)
        return into.to_decoded_faces()


def _group_by_kind(files: list[SourceFile], path: Path) -> dict[str, list[SourceFile]]:
    kinds: dict[str, list[SourceFile]] = {}
    for entry in files:
        kind = "images" if entry.suffix in image_file.SUFFIXES else entry.suffix
        kinds.setdefault(kind, []).append(entry)
    if path.is_file() and _has_magic(path, b"PAR1"):
        return {".parquet": files}
    # A list of file names beside the images is no second data set.
    if len(kinds) > 1 and not any(map(csv_file.has_faces, kinds.get(".csv", []))):
        kinds.pop(".csv", None)
    return kinds


def _read_kind(kinds: dict[str, list[SourceFile]], path: Path, collector: FaceCollector) -> None:
    if len(kinds) > 1:
        found = ", ".join(sorted(str(every[0].path) for every in kinds.values()))
        raise UserError(f"{path} can be read in several ways ({found}); name one of them")
    match list(kinds.items()):
        case [("images", [entry])] if path.is_file() and entry.path.name == path.name:
            raise UserError(f"{path} is a single image; name the folder with all of them")
        case [("images", entries)]:
            image_folders.read_image_folders(entries, collector)
            if path.is_dir() and (without := find_empty_folders(path)):
                first = escape_unprintable(str(without[0].relative_to(path)))
                collector.notes[f"folders without images: {len(without):,} (first: {first})"] = None
        case [(".parquet", entries)]:
            for entry in entries:
                parquet_file.read_parquet(entry, collector)
        case [(".zip", _)]:
            raise UserError(f"{path} is no whole zip file, or holds another one; unpack it first")
        case [(_, entries)]:
            _read_csv_files(entries, path, collector)
        case _:
            noted = "".join(f" ({note})" for note in collector.notes)
            raise UserError(f"{path} holds no faces{noted}; wanted: {KNOWN_FORMATS}")


def _read_csv_files(files: list[SourceFile], path: Path, collector: FaceCollector) -> None:
    # Beside the challenge's train.csv lie a test.csv without labels and a sample submission.
    readable = [entry for entry in files if csv_file.has_faces(entry)] or files[:1]
    splits = [
        class_and_split_names.match_split_in_table_name(entry.path.name) for entry in readable
    ]
    if len(readable) > 1 and (None in splits or len(set(splits)) < len(splits)):
        found = ", ".join(str(entry.path) for entry in readable)
        raise UserError(f"{path} holds several data sets ({found}); name one of them")
    for entry, split in zip(readable, splits, strict=True):
        csv_file.read_csv(entry, split, collector)


def _require_one_zip(files: list[SourceFile], path: Path) -> SourceFile:
    if len(files) > 1:
        found = ", ".join(str(entry.path) for entry in files)
        raise UserError(f"{path} holds several zip files ({found}); name one of them")
    return files[0]


def _has_magic(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
