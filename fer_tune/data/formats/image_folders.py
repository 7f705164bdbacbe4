"""Folders of image files: train/angry/1.jpg, angry/1.jpg, or Kaggle's copy of FER2013."""

from collections.abc import Sequence

from fer_tune.data.faces import SplitName
from fer_tune.data.formats.check_image_folders import check_folders
from fer_tune.data.formats.class_and_split_names import match_split_in_image_name
from fer_tune.data.formats.decoded_faces import CollectedFace, FaceCollector
from fer_tune.data.formats.image_file import BrokenImageError, decode_face
from fer_tune.data.formats.image_locations import describe_ignored_folders, parse_folders
from fer_tune.data.formats.open_folder_or_zip import OpenableFile


def read_image_folders(files: Sequence[OpenableFile], collector: FaceCollector) -> None:
    """Read every image into the collector.

    Raises UserError if the folders do not say the classes, or are several data sets.
    """
    class_names, source = collector.class_names, collector.source
    meanings = parse_folders([file.path for file in files], source, class_names)
    check_folders(meanings, source, class_names)
    collector.notes |= dict.fromkeys(describe_ignored_folders([*meanings.values()]))
    own = [meanings[file.path.parts[:-1]] for file in files]
    names = [file.path.name for file in files]
    splits = _choose_splits([meaning.split for meaning in own], names, collector)
    for file, meaning, split in zip(files, own, splits, strict=True):
        add_image(file, split, meaning.label, collector)


def add_image(
    file: OpenableFile, split: SplitName | None, label: str, collector: FaceCollector, row: int = -1
) -> None:
    """Read one image into the collector, as a good or a bad face; see `CollectedFace`."""
    try:
        pixels, conversions = decode_face(file.read_bytes())
    except BrokenImageError as error:
        collector.add_bad_face(str(file.path), str(error))
    else:
        face = CollectedFace(split, label, pixels, str(file.path), row)
        collector.add_face(face, conversions)


def _choose_splits(
    by_folder: Sequence[SplitName | None], names: Sequence[str], collector: FaceCollector
) -> Sequence[SplitName | None]:
    """Return the split of each image.

    Folders decide. File names decide if no folder is a split and all names begin with one. In
    Kaggle's copy of FER2013, they also divide the folder test/, which holds both test splits.
    """
    by_name = list(map(match_split_in_image_name, names))
    if set(by_folder) == {None}:
        if None in by_name and len(set(by_name)) > 2:
            note = "only some file names begin with a split, so these names were not used"
            collector.notes[note] = None
        return by_folder if None in by_name else by_name
    if "validation" not in by_folder:
        is_public = [name.casefold().startswith("publictest") for name in names]
        pairs = zip(by_folder, is_public, strict=True)
        by_folder = ["validation" if own == "test" and moves else own for own, moves in pairs]
    differing = sum(named not in (None, own) for own, named in zip(by_folder, by_name, strict=True))
    if differing:
        note = "images in the split of their folder, whose file names begin with another"
        collector.notes[f"{note}: {differing:,}"] = None
    return by_folder
