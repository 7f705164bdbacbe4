"""Folders of image files: train/angry/1.jpg, angry/1.jpg, or the common Kaggle copy."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SplitName
from fer_tune.data.formats import class_and_split_names as class_and_split_names
from fer_tune.data.formats import image_file as image_file
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.source_files import READ_ERRORS, SourceFile


@dataclass(frozen=True)
class _ImageLocation:
    """What the path of an image says.

    root: the folders above its split, or above its class where no folder names a split.
    """

    root: tuple[str, ...]
    split: SplitName | None
    label: str


def read_image_folders(files: list[SourceFile], collector: FaceCollector) -> None:
    """Read every image.

    A file name that starts with Training_, PublicTest_ or PrivateTest_ gives the split, before
    any folder does: the common copy keeps both test splits in one folder.

    Raises UserError for images outside class folders and for several data sets side by side.
    """
    places = [_parse_location(entry.path, collector.source) for entry in files]
    roots = sorted({"/".join(place.root) or "." for place in places})
    if len(roots) > 1:
        raise UserError(
            f"{collector.source} holds several data sets ({', '.join(roots[:5])}); name one of them"
        )
    with image_file.suppress_pillow_warnings():
        for entry, place in zip(files, places, strict=True):
            _read_image(entry, place, collector)


def _read_image(file: SourceFile, location: _ImageLocation, collector: FaceCollector) -> None:
    try:
        pixels, conversions = image_file.decode_face(file.read_bytes())
    except image_file.BrokenImageError as error:
        collector.add_bad_face(str(file.path), str(error))
    except READ_ERRORS as error:
        collector.add_bad_face(str(file.path), f"cannot be read ({error})")
    else:
        collector.add_face(location.split, location.label, pixels)
        collector.conversions.update(conversions)


def _parse_location(path: PurePosixPath, source: str) -> _ImageLocation:
    folders = path.parts[:-1]
    # The innermost folder that names a split; the class lies right below it.
    at = max(
        (i for i, name in enumerate(folders) if class_and_split_names.match_split(name)),
        default=None,
    )
    if at is not None and at + 1 < len(folders):
        root, split, label = (
            folders[:at],
            class_and_split_names.match_split(folders[at]),
            folders[at + 1],
        )
    elif at is None and folders:
        root, split, label = folders[:-1], None, folders[-1]
    else:
        raise UserError(
            f"{source}: {path} lies in no class folder; images belong in folders like "
            "train/happy/ or happy/"
        )
    return _ImageLocation(
        root, class_and_split_names.match_split_in_image_name(path.name) or split, label
    )
