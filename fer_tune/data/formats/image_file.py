"""The decoding of an image file of any kind into a grey 48 x 48 face."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fer_tune.data.faces import SIDE
from fer_tune.data.formats import deep_image
from fer_tune.data.formats.deep_image import DEPTHS, DeepFace
from fer_tune.data.formats.identify_file import HEAD_BYTES, detect_content

# Pillow opens no other kind, whatever the name of a file. For some it would run a program
# (Ghostscript for PostScript), and every further decoder is one more to trust. AVIF and JPEG 2000
# are left out for this: their decoders are large, and faces are rarely stored so.
_PILLOW_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# Suffixes of these formats. An .mpo file is a JPEG followed by further ones.
SUFFIXES = frozenset(
    (
        *(".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm"),
        *(".pfm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
_MAX_PIXELS = 50_000_000  # larger than any photograph of a face; limits decompression bombs

# Notes on conversions; {} is the number of images.
RESIZED = "images of other sizes, central square resized to 48 x 48: {}"
COLOUR = "colour images converted to grey: {}"
TRANSPARENT = "transparent images put on white: {}"
ANIMATED = "animated images, first frame used: {}"
TURNED = "images rotated upright by their EXIF data: {}"


class BrokenImageError(ValueError):
    """An error that says in a few words what is wrong with an image."""


def decode_face(data: bytes) -> tuple[NDArray[np.uint8] | DeepFace, tuple[str, ...]]:
    """Return the face in an image file, (48, 48) uint8, and the notes on its conversions.

    The data set decides how a deep image becomes uint8, so its face is a `DeepFace`.

    Raises BrokenImageError if the image is broken or too large.
    """
    grey, notes = decode_grey_image(data)
    if grey.size != (SIDE, SIDE):
        notes = (*notes, RESIZED)
    if not deep_image.is_deep(grey):
        return resize_to_face(grey), notes
    largest = deep_image.find_largest_value(grey)
    depths = [bits for bits in DEPTHS if bits >= deep_image.find_depth(largest)]
    by_depth = {bits: resize_to_face(deep_image.reduce_depth(grey, bits)) for bits in depths}
    return DeepFace(largest, by_depth), notes


def resize_to_face(grey: Image.Image) -> NDArray[np.uint8]:
    """Return the central square of a grey image, as (48, 48) uint8."""
    if grey.size != (SIDE, SIDE):
        grey = ImageOps.fit(grey, (SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, dtype=np.uint8)


def decode_grey_image(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the image in a file, grey and upright, and the notes on its conversions.

    The image has the mode L. A deep image has 16 bits, the mode I;16.

    Raises BrokenImageError if the image is broken or too large.
    """
    if not data:
        raise BrokenImageError("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise BrokenImageError(f"{image.width} x {image.height} pixels are too many")
            has_deep = deep_image.has_deep_colours(image)
            grey, notes = _to_upright_grey(image)
            if has_deep and TRANSPARENT not in notes:
                grey = deep_image.read_deep_colours(data)
            return grey, notes
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        if kind := detect_content(data[:HEAD_BYTES]):
            raise BrokenImageError(f"not an image of a known kind, but {kind}") from None
        kinds = ", ".join(_PILLOW_FORMATS)
        raise BrokenImageError(f"not an image of a known kind ({kinds})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BrokenImageError("too many pixels") from None
    # Pillow's decoders raise nearly anything on broken files: OSError, SyntaxError, struct.error.
    except Exception as error:
        raise BrokenImageError(f"broken image ({error})") from None


@contextmanager
def suppress_pillow_warnings() -> Iterator[None]:
    """Suppress warnings about images that are read all the same, around `decode_face` calls."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _to_upright_grey(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    notes: list[str] = []
    if getattr(image, "is_animated", False):
        notes.append(ANIMATED)
        image.seek(0)
    upright = ImageOps.exif_transpose(image)
    if image.getexif().get(ExifTags.Base.Orientation) in range(2, 9):
        notes.append(TURNED)
    return _to_grey(upright, notes), tuple(notes)


def _to_grey(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode == "L" and "transparency" not in image.info:
        image.load()
        return image
    if deep_image.is_deep(image):
        return deep_image.to_deep_grey(image)
    if image.mode == "F":
        raise BrokenImageError("pixels are fractions; save the image with 8 bits")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        if layers.getchannel("A").getextrema() != (255, 255):
            notes.append(TRANSPARENT)
        image = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
    rgb = np.asarray(image.convert("RGB"))
    if not (rgb == rgb[..., :1]).all():
        notes.append(COLOUR)
    return image.convert("L")
