"""The detection of a data set's format, and the reading of it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data.formats.class_and_split_names import find_split, match_split
from fer_tune.data.formats.csv_file import has_faces, read_csv
from fer_tune.data.formats.decoded_faces import CHOOSE, DecodedFaces, FaceCollector
from fer_tune.data.formats.ferplus_folders import is_label_file, read_ferplus
from fer_tune.data.formats.folder_scan import describe_skipped_files
from fer_tune.data.formats.identify_file import WANTED
from fer_tune.data.formats.image_file import SUFFIXES
from fer_tune.data.formats.image_folders import read_image_folders
from fer_tune.data.formats.open_folder_or_zip import OpenableFile, open_source, open_zip
from fer_tune.data.formats.parquet_file import read_parquet
from fer_tune.data.formats.table_shards import check_tables
from fer_tune.data.read_options import DEFAULT_OPTIONS, ReadOptions

_Reader = Callable[[OpenableFile, FaceCollector], None]

# Formats whose files hold faces, labels and perhaps splits, by suffix.
_FERPLUS = "ferplus"  # images with label.csv
_READERS: dict[str, _Reader] = {".csv": read_csv, ".parquet": read_parquet}


def read_faces(path: Path, options: ReadOptions = DEFAULT_OPTIONS) -> DecodedFaces:
    """Return the faces at `path`, a file or a folder.

    Raises UserError if these are no faces, or if they can be read in several ways.
    """
    collector = FaceCollector(path.name, options)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(path))
        collector.notes.update(dict.fromkeys(source.notes))
        by_kind = _group_by_kind(source.files, source.is_single, collector)
        if path.is_dir() and set(by_kind) == {".zip"}:
            members = _open_zips(by_kind[".zip"], path, stack)
            by_kind = _group_by_kind(members, False, collector)
        _read(by_kind, path, collector)
        return collector.to_decoded_faces()


def _open_zips(zips: list[OpenableFile], path: Path, stack: ExitStack) -> list[OpenableFile]:
    """Return the files in a folder's zips: in one, or in those of its splits.

    The files of train.zip are those of a folder train/, if they have no folders of splits.
    """
    splits = [find_split(file.path.name) for file in zips]
    if len(zips) > 1 and (None in splits or len(set(splits)) < len(splits)):
        names = join_first([str(file.path) for file in zips])
        advice = "unpack them into one folder, and name it; or name one of them, if they differ"
        raise UserError(f"{path} holds several zip files ({names}); {advice}")
    members = list[OpenableFile]()
    for file, split in zip(zips, splits, strict=True):
        for member in stack.enter_context(open_zip(file)):
            is_split = len(zips) == 1 or any(map(match_split, member.path.parts[:-1]))
            place = member.path if is_split else PurePosixPath(split or "", member.path)
            members.append(replace(member, path=place))
    return members


def _group_by_kind(
    files: list[OpenableFile], is_single: bool, collector: FaceCollector
) -> dict[str, list[OpenableFile]]:
    by_kind: dict[str, list[OpenableFile]] = {}
    for file in files:
        if kind := _detect_kind(file, is_single):
            by_kind.setdefault(kind, []).append(file)
        else:
            collector.skipped_files.append(file.path)
    # A list of file names beside the images is not a second data set, and may have their votes.
    if len(by_kind) > 1 and not any(map(has_faces, by_kind.get(".csv", []))):
        lists = by_kind.pop(".csv", [])
        label_files = list(filter(is_label_file, lists)) if "images" in by_kind else []
        if label_files:
            by_kind[_FERPLUS] = [*by_kind.pop("images"), *label_files]
        collector.skipped_files += [file.path for file in lists if file not in label_files]
    return by_kind


def _detect_kind(file: OpenableFile, is_single: bool) -> str | None:
    """Return "images" or a suffix, None for a file to skip; a file that the user names is read."""
    if is_single and file.read_head().startswith(b"PAR1"):
        return ".parquet"
    if file.suffix in SUFFIXES:
        return "images"
    if file.suffix in (*_READERS, ".zip"):
        return file.suffix
    return ".csv" if is_single else None


def _read(by_kind: dict[str, list[OpenableFile]], path: Path, collector: FaceCollector) -> None:
    if len(by_kind) > 1:
        examples = ", ".join(sorted(str(files[0].path) for files in by_kind.values()))
        raise UserError(f"{path} can be read in several ways ({examples}); {CHOOSE}")
    match list(by_kind.items()):
        case [("images", files)] if collector.vote_table:
            problem = f"{path} holds images without a table, and --votes is by row"
            raise UserError(f"{problem}; name fer2013.csv, or FER+'s folders with label.csv")
        case [("images", files)]:
            read_image_folders(files, collector)
        case [(kind, files)] if kind == _FERPLUS:
            read_ferplus(files, collector)
        case [(".zip", files)]:
            names = join_first([str(file.path) for file in files])
            raise UserError(f"{path} holds zips ({names}); unpack it first, and name the folder")
        case [(suffix, files)]:
            _read_tables(files, _READERS[suffix], path, collector)
        case _:
            found = "; ".join([*collector.notes, *describe_skipped_files(collector.skipped_files)])
            problem = f"{path} holds no faces{found and f' ({found})'}"
            raise UserError(f"{problem}; known formats: {WANTED}; unpack other archives first")


def _read_tables(
    files: list[OpenableFile], read: _Reader, path: Path, collector: FaceCollector
) -> None:
    if read is read_csv:
        # The challenge has a test.csv without labels and a sample submission beside train.csv.
        readable = list(filter(has_faces, files)) or files[:1]
        collector.skipped_files += [file.path for file in files if file not in readable]
        files = readable
    check_tables((file.path for file in files), str(path))
    for file in files:
        read(file, collector)
