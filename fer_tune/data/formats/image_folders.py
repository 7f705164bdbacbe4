"""Folders of image files: train/angry/1.jpg, angry/1.jpg, or Kaggle's copy of FER2013."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SplitName
from fer_tune.data.formats import image_file
from fer_tune.data.formats.check_image_folders import check_folders
from fer_tune.data.formats.class_and_split_names import match_split_in_image_name
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.image_locations import (
    ADVICE,
    UnclassedImagesError,
    describe_ignored_folders,
    parse_folders,
)
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile

_TABLE_SUFFIX = re.compile(r"\.(csv|txt|lst|npy|xlsx?|jsonl?|mat|pkl)", re.IGNORECASE)
_TABLE_WORDS = re.compile("label|annot|list|emotion|expression", re.IGNORECASE)
_NO_TABLE = re.compile("readme|licen[cs]e|requirements", re.IGNORECASE)

# Notes; {} is the number of images.
_OVERRULED = "images in the split of their folder, whose file names begin with another: {}"
_UNUSED = "only some file names begin with a split, so these names were not used"


def read_image_folders(files: list[OpenableFile], collector: FaceCollector) -> None:
    """Read every image into the collector.

    Raises UserError if the folders do not say the classes, or are several data sets.
    """
    paths, source = [file.path for file in files], collector.source
    class_names, table = collector.class_names, _find_label_table(collector.skipped_files)
    try:
        meanings = parse_folders(paths, source, class_names)
        check_folders(meanings, source, class_names)
        labels = {meaning.label for meaning in meanings.values()}
        if len(labels) == 1 and table:
            raise UnclassedImagesError(f"{source}: all images are in {labels.pop()}/; {ADVICE}")
    except UnclassedImagesError as error:
        hint = f" ({table} may have the labels, but is not read)" if table else ""
        raise UserError(f"{error}{hint}") from None
    collector.notes |= dict.fromkeys(describe_ignored_folders([*meanings.values()]))
    own = [meanings[file.path.parts[:-1]] for file in files]
    splits = _choose_splits([meaning.split for meaning in own], files, collector)
    with image_file.suppress_pillow_warnings():
        for file, meaning, (split, remarks) in zip(files, own, splits, strict=True):
            try:
                pixels, conversions = image_file.decode_face(file.read_bytes())
            except image_file.BrokenImageError as error:
                collector.add_bad_face(str(file.path), str(error))
            except READ_ERRORS as error:
                reason = getattr(error, "strerror", None) or error  # without the path
                collector.add_bad_face(str(file.path), f"cannot be read ({reason})")
            else:
                notes, place = (*conversions, *remarks), str(file.path)
                collector.add_face(split, meaning.label, pixels, notes, place)


def _choose_splits(
    by_folder: list[SplitName | None], files: Iterable[OpenableFile], collector: FaceCollector
) -> Iterator[tuple[SplitName | None, tuple[str, ...]]]:
    """Yield the split of each image, with remarks.

    Folders decide. File names decide if no folder is a split and all names begin with one. In
    Kaggle's copy of FER2013, they also divide the folder test/, which holds both test splits.
    """
    names = [file.path.name for file in files]
    by_name = list(map(match_split_in_image_name, names))
    if set(by_folder) == {None}:
        if None in by_name and len(set(by_name)) > 2:
            collector.notes[_UNUSED] = None
        for split in by_name:
            yield None if None in by_name else split, ()
        return
    for name, own, named in zip(names, by_folder, by_name, strict=True):
        is_public_test = own == "test" and name.casefold().startswith("publictest")
        if is_public_test and "validation" not in by_folder:
            yield "validation", ()
        else:
            yield own, () if named in (None, own) else (_OVERRULED,)


def _find_label_table(paths: Iterable[PurePath]) -> PurePath | None:
    """Return the file beside the images that most likely holds their labels."""
    tables = (path for path in paths if _TABLE_SUFFIX.fullmatch(path.suffix))
    tables = (path for path in tables if not _NO_TABLE.search(path.name))
    return min(tables, key=lambda path: (not _TABLE_WORDS.search(str(path)), path), default=None)
