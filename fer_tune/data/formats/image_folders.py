"""Folders of image files: train/angry/1.jpg, angry/1.jpg, or the common Kaggle copy."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SplitName
from fer_tune.data.formats import class_and_split_names as names
from fer_tune.data.formats import image_file as images
from fer_tune.data.formats.decoded_faces import Collector
from fer_tune.data.formats.source_files import UNREADABLE, Entry


@dataclass(frozen=True)
class _Place:
    """What the path of an image says.

    root: the folders above its split, or above its class where no folder names a split.
    """

    root: tuple[str, ...]
    split: SplitName | None
    label: str


def read(entries: list[Entry], into: Collector) -> None:
    """Read every image.

    A file name that starts with Training_, PublicTest_ or PrivateTest_ gives the split, before
    any folder does: the common copy keeps both test splits in one folder.

    Raises UserError for images outside class folders and for several data sets side by side.
    """
    places = [_place(entry.path, into.source) for entry in entries]
    roots = sorted({"/".join(place.root) or "." for place in places})
    if len(roots) > 1:
        raise UserError(
            f"{into.source} holds several data sets ({', '.join(roots[:5])}); name one of them"
        )
    with images.quiet_pillow():
        for entry, place in zip(entries, places, strict=True):
            _read_image(entry, place, into)


def _read_image(entry: Entry, place: _Place, into: Collector) -> None:
    try:
        pixels, conversions = images.decode(entry.read())
    except images.BrokenImageError as error:
        into.bad(str(entry.path), str(error))
    except UNREADABLE as error:
        into.bad(str(entry.path), f"cannot be read ({error})")
    else:
        into.add(place.split, place.label, pixels)
        into.conversions.update(conversions)


def _place(path: PurePosixPath, source: str) -> _Place:
    folders = path.parts[:-1]
    # The innermost folder that names a split; the class lies right below it.
    at = max((i for i, name in enumerate(folders) if names.split(name)), default=None)
    if at is not None and at + 1 < len(folders):
        root, split, label = folders[:at], names.split(folders[at]), folders[at + 1]
    elif at is None and folders:
        root, split, label = folders[:-1], None, folders[-1]
    else:
        raise UserError(
            f"{source}: {path} lies in no class folder; images belong in folders like "
            "train/happy/ or happy/"
        )
    return _Place(root, names.split_of_image(path.name) or split, label)
