"""The detection of a data set's format, and the reading of it."""

from contextlib import ExitStack
from pathlib import Path

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable
from fer_tune.data.formats import (
    csv_file,
    image_file,
    image_folders,
    open_folder_or_zip,
    parquet_file,
)
from fer_tune.data.formats.class_and_split_names import match_file_split
from fer_tune.data.formats.decoded_faces import DecodedFaces, FaceCollector
from fer_tune.data.formats.folder_scan import describe_passed_over, has_data_suffix
from fer_tune.data.formats.open_folder_or_zip import OpenableFile
from fer_tune.data.formats.table_shards import check_tables

KNOWN_FORMATS = "fer2013.csv, image folders by class, zips of these, parquet of images with labels"

# Formats whose files hold faces, labels and perhaps splits, by suffix.
_READERS = {".parquet": parquet_file.read_parquet}
_CHOICE = "name one of them, or move the others away"


def read_faces(path: Path, *, skip_bad: bool = False) -> DecodedFaces:
    """Return the faces at `path`, a file or a folder.

    Raises UserError if these are no faces, or if they can be read in several ways.
    """
    collector = FaceCollector(path.name, skip_bad=skip_bad)
    with ExitStack() as stack:
        source = stack.enter_context(open_folder_or_zip.open_source(path))
        collector.notes.update(dict.fromkeys(source.notes))
        by_kind = _group_by_kind(source.files, path, collector)
        if set(by_kind) == {".zip"} and path.is_dir():
            zips = by_kind[".zip"]
            if len(zips) > 1:
                raise UserError(f"{path} holds several zip files ({_join(zips)}); name one of them")
            file = stack.enter_context(zips[0].open())
            files = stack.enter_context(open_folder_or_zip.open_zip(file, zips[0].path.name))
            by_kind = _group_by_kind(files, path, collector)
        _read(by_kind, path, collector)
        if "images" in by_kind and (empty := source.empty_folders):
            first = escape_unprintable(str(empty[0]))
            collector.notes[f"folders without images: {len(empty):,} (first: {first})"] = None
        return collector.to_decoded_faces()


def _group_by_kind(
    files: list[OpenableFile], path: Path, collector: FaceCollector
) -> dict[str, list[OpenableFile]]:
    by_kind: dict[str, list[OpenableFile]] = {}
    is_named = path.is_file() and [str(file.path) for file in files] == [path.name]
    for file in files:
        if is_named or has_data_suffix(file.path):
            kind = "images" if file.suffix in image_file.SUFFIXES else file.suffix
            by_kind.setdefault(kind, []).append(file)
        else:
            collector.passed_over.append(file.path)
    if path.is_file() and _has_magic(path, b"PAR1"):
        return {".parquet": files}
    # A list of file names beside the images is not a second data set.
    if len(by_kind) > 1 and not any(map(csv_file.has_faces, by_kind.get(".csv", []))):
        collector.passed_over += [file.path for file in by_kind.pop(".csv", [])]
    return by_kind


def _read(by_kind: dict[str, list[OpenableFile]], path: Path, collector: FaceCollector) -> None:
    if len(by_kind) > 1:
        examples = ", ".join(sorted(str(files[0].path) for files in by_kind.values()))
        raise UserError(f"{path} can be read in several ways ({examples}); name one of them")
    match list(by_kind.items()):
        case [("images", [file])] if path.is_file() and file.path.name == path.name:
            raise UserError(f"{path} is a single image; name the folder with all of them")
        case [("images", files)]:
            image_folders.read_image_folders(files, collector)
        case [(suffix, files)] if suffix in _READERS:
            check_tables((file.path for file in files), str(path), _CHOICE)
            for file in files:
                _READERS[suffix](file, collector)
        case [(".zip", _)]:
            raise UserError(f"{path} is a broken zip file, or holds another one; unpack it first")
        case [(_, files)]:
            _read_csv_files(files, path, collector)
        case _:
            found = "; ".join([*collector.notes, *describe_passed_over(collector.passed_over)])
            raise UserError(
                f"{path} holds no faces{found and f' ({found})'}; known formats: {KNOWN_FORMATS}"
            )


def _read_csv_files(files: list[OpenableFile], path: Path, collector: FaceCollector) -> None:
    # The challenge has a test.csv without labels and a sample submission beside train.csv.
    readable = list(filter(csv_file.has_faces, files)) or files[:1]
    collector.passed_over += [file.path for file in files if file not in readable]
    check_tables((file.path for file in readable), str(path), _CHOICE)
    splits = [match_file_split(file.path) for file in readable]
    for file, split in zip(readable, splits, strict=True):
        csv_file.read_csv(file, split, collector)


def _join(files: list[OpenableFile]) -> str:
    return ", ".join(str(file.path) for file in files)


def _has_magic(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
