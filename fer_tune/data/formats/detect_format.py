"""The detection of a data set's format, and the reading of it."""

import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NoReturn

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable, join_first
from fer_tune.data.formats import csv_file, image_file, image_folders, parquet_file
from fer_tune.data.formats.class_and_split_names import find_split, match_file_split, match_split
from fer_tune.data.formats.decoded_faces import UNPACK_AND_CHOOSE, DecodedFaces, FaceCollector
from fer_tune.data.formats.folder_scan import describe_skipped_files, has_data_suffix
from fer_tune.data.formats.identify_file import WANTED, add_advice, check_content
from fer_tune.data.formats.open_folder_or_zip import OpenableFile, open_source, open_zip
from fer_tune.data.formats.table_shards import check_tables
from fer_tune.data.read_options import DEFAULT_OPTIONS, ReadOptions

_UNPACK = "unpack them into one folder, and name it; or name one of them, if they differ"
_MAX_IDENTIFIED = 10  # files that no suffix explains

# Formats whose files hold faces, labels and perhaps splits, by suffix.
_READERS = {".parquet": parquet_file.read_parquet}


def read_faces(path: Path, options: ReadOptions = DEFAULT_OPTIONS) -> DecodedFaces:
    """Return the faces at `path`, a file or a folder.

    Raises UserError if these are no faces, or if they can be read in several ways.
    """
    collector = FaceCollector(path.name, options)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(path))
        collector.notes.update(dict.fromkeys(source.notes))
        by_kind = _group_by_kind(source.files, path, collector)
        has_zips = set(by_kind) == {".zip"} or zipfile.is_zipfile(path)
        if has_zips:
            collector.choice = UNPACK_AND_CHOOSE
        if has_zips and path.is_dir():
            by_kind = _group_by_kind(_open_zips(by_kind[".zip"], path, stack), path, collector)
        _read(by_kind, path, collector)
        if "images" in by_kind and (empty := source.empty_folders):
            first = escape_unprintable(str(empty[0]))
            collector.notes[f"folders without images: {len(empty):,} (first: {first})"] = None
        return collector.to_decoded_faces()


def _open_zips(zips: list[OpenableFile], path: Path, stack: ExitStack) -> list[OpenableFile]:
    """Return the files in a folder's zips: in one, or in those of its splits.

    The files of train.zip are those of a folder train/, if they have no folders of splits.
    """
    splits = [find_split(file.path.name) for file in zips]
    if len(zips) > 1 and (None in splits or len(set(splits)) < len(splits)):
        names = join_first([str(file.path) for file in zips])
        raise UserError(f"{path} holds several zip files ({names}); {_UNPACK}")
    members = list[OpenableFile]()
    for file, split in zip(zips, splits, strict=True):
        if not (head := file.read_head()).startswith(b"PK"):
            check_content(head, str(file.path))
        content = stack.enter_context(file.open())
        for member in stack.enter_context(open_zip(content, str(file.path))):
            is_split = len(zips) == 1 or any(map(match_split, member.path.parts[:-1]))
            place = member.path if is_split else PurePosixPath(split or "", member.path)
            members.append(replace(member, path=place))
    return members


def _group_by_kind(
    files: list[OpenableFile], path: Path, collector: FaceCollector
) -> dict[str, list[OpenableFile]]:
    by_kind: dict[str, list[OpenableFile]] = {}
    is_named = path.is_file() and [str(file.path) for file in files] == [path.name]
    for file in files:
        if is_named or has_data_suffix(file.path):
            group = "images" if file.suffix in image_file.SUFFIXES else file.suffix
            by_kind.setdefault(group, []).append(file)
        else:
            collector.skipped_files.append(file.path)
    if is_named and files[0].read_head().startswith(b"PAR1"):
        return {".parquet": files}
    if not by_kind:
        # JSON files describe the others.
        for file in sorted(files, key=lambda file: file.suffix == ".json")[:_MAX_IDENTIFIED]:
            if kind := file.identify():
                found = f"{file.path}, which is {add_advice(kind)}"
                raise UserError(f"{path} holds no faces, but {found}")
            if csv_file.has_faces(file):
                raise UserError(f"{path} holds a table, {file.path}; name that file itself")
    # A list of file names beside the images is not a second data set.
    if len(by_kind) > 1 and not any(map(csv_file.has_faces, by_kind.get(".csv", []))):
        collector.skipped_files += [file.path for file in by_kind.pop(".csv", [])]
    return by_kind


def _read(by_kind: dict[str, list[OpenableFile]], path: Path, collector: FaceCollector) -> None:
    if len(by_kind) > 1:
        examples = ", ".join(sorted(_describe_kind(*kind) for kind in by_kind.items()))
        raise UserError(f"{path} can be read in several ways ({examples}); {collector.choice}")
    match list(by_kind.items()):
        case [("images", [file])] if path.is_file() and file.path.name == path.name:
            raise UserError(f"{path} is a single image; name the folder with all of them")
        case [("images", files)]:
            image_folders.read_image_folders(files, collector)
        case [(suffix, files)] if suffix in _READERS:
            check_tables((file.path for file in files), str(path), collector.choice)
            for file in files:
                _READERS[suffix](file, collector)
        case [(".zip", files)]:
            _refuse_zips(files, path)
        case [(_, files)]:
            _read_csv_files(files, path, collector)
        case _:
            found = "; ".join([*collector.notes, *describe_skipped_files(collector.skipped_files)])
            problem = f"{path} holds no faces{found and f' ({found})'}"
            raise UserError(f"{problem}; known formats: {WANTED}")


def _describe_kind(kind: str, files: list[OpenableFile]) -> str:
    if kind != "images":
        return str(files[0].path)
    folders = sorted({f"{file.path.parts[0]}/" for file in files if file.path.parts[1:]})
    return f"images in {join_first(folders) or 'it'}"


def _read_csv_files(files: list[OpenableFile], path: Path, collector: FaceCollector) -> None:
    # The challenge has a test.csv without labels and a sample submission beside train.csv.
    readable = list(filter(csv_file.has_faces, files)) or files[:1]
    collector.skipped_files += [file.path for file in files if file not in readable]
    check_tables((file.path for file in readable), str(path), collector.choice)
    splits = [match_file_split(file.path) for file in readable]
    for file, split in zip(readable, splits, strict=True):
        csv_file.read_csv(file, split, collector)


def _refuse_zips(files: list[OpenableFile], path: Path) -> NoReturn:
    if path.is_file() and not zipfile.is_zipfile(path):
        if not (head := files[0].read_head()).startswith(b"PK"):
            check_content(head, path.name)
            raise UserError(f"{path} is not a zip file; if it is a CSV, rename it to end in .csv")
        raise UserError(f"{path} is a broken zip file, perhaps cut short; download it again")
    names = join_first([str(file.path) for file in files])
    raise UserError(f"{path} holds zips ({names}); unpack it first, and name the folder")
