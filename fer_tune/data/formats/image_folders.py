"""Folders of image files: train/angry/1.jpg, angry/1.jpg, or Kaggle's copy of FER2013."""

from pathlib import PurePosixPath
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SplitName
from fer_tune.data.formats import image_file
from fer_tune.data.formats.class_and_split_names import match_split, match_split_in_image_name
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile


class _ImageLocation(NamedTuple):
    """What the path of an image says.

    root: folders above that of its split, or above that of its class if no folder is a split.
    """

    root: tuple[str, ...]
    split: SplitName | None
    label: str


def read_image_folders(files: list[OpenableFile], collector: FaceCollector) -> None:
    """Read every image into the collector.

    A file name that starts with Training_, PublicTest_ or PrivateTest_ decides the split, whatever
    its folder. Kaggle's copy has both test splits in one folder.

    Raises UserError for images outside class folders and for several data sets side by side.
    """
    locations = [_parse_location(file.path, collector.source) for file in files]
    roots = sorted({"/".join(location.root) or "." for location in locations})
    if len(roots) > 1:
        raise UserError(
            f"{collector.source} holds several data sets ({', '.join(roots[:5])}); name one of them"
        )
    with image_file.suppress_pillow_warnings():
        for file, location in zip(files, locations, strict=True):
            _read_image(file, location, collector)


def _read_image(file: OpenableFile, location: _ImageLocation, collector: FaceCollector) -> None:
    try:
        pixels, conversions = image_file.decode_face(file.read_bytes())
    except image_file.BrokenImageError as error:
        collector.add_bad_face(str(file.path), str(error))
    except READ_ERRORS as error:
        collector.add_bad_face(str(file.path), f"cannot be read ({error})")
    else:
        collector.add_face(location.split, location.label, pixels, conversions)


def _parse_location(path: PurePosixPath, source: str) -> _ImageLocation:
    folders = path.parts[:-1]
    # The innermost folder that is a split; the class is the folder right below it.
    depth = max((i for i, name in enumerate(folders) if match_split(name)), default=None)
    if depth is not None and depth + 1 < len(folders):
        root, split, label = folders[:depth], match_split(folders[depth]), folders[depth + 1]
    elif depth is None and folders:
        root, split, label = folders[:-1], None, folders[-1]
    else:
        raise UserError(
            f"{source}: {path} is in no class folder; put images into folders like train/happy/ "
            "or happy/"
        )
    return _ImageLocation(root, match_split_in_image_name(path.name) or split, label)
