"""The decoding of an image file of any kind into a grey 48 x 48 face.

A camera of 10 or 12 bits stores its values in 16 bits, so the file does not tell the depth. The
largest value of all images does. Scaling each image by itself would change how bright the faces are
beside each other.
"""

import io
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from fer_tune.data.faces import SIDE
from fer_tune.data.formats.identify_file import HEAD_BYTES, detect_content

DEPTHS = (8, 10, 12, 16)  # bits
_MAX_VALUE, _MAX_BYTE = (1 << 16) - 1, (1 << 8) - 1


class DeepFace(NamedTuple):
    """A face from a deep image, before the depth of its data set is known.

    largest: largest value in the image.
    by_depth: (48, 48) uint8 for each possible depth.
    """

    largest: int
    by_depth: dict[int, NDArray[np.uint8]]


# A face, with notes on its conversions.
DecodedImage = tuple[NDArray[np.uint8] | DeepFace, tuple[str, ...]]


def is_deep(image: Image.Image) -> bool:
    """Return whether a grey image may have more than 8 bits a pixel."""
    return image.mode.startswith("I")


def find_depth(largest: int) -> int:
    """Return the bits that images need whose largest value is `largest`."""
    return next(bits for bits in DEPTHS if largest < 1 << bits)


def describe_depth(images: int, largest: int) -> str:
    """Return a note on images whose depth their largest value shows."""
    note = f"16-bit images, reduced from {find_depth(largest)} bits to 8: {images:,}"
    return f"{note} (their largest value is {largest:,})"


def to_deep_grey(image: Image.Image) -> Image.Image:
    """Return an image of whole numbers with 16 bits; raises ValueError if one does not fit."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > _MAX_VALUE:
        span = f"{values.min():,} to {values.max():,}"
        raise ValueError(f"values of {span} do not fit into 16 bits; save the image with 8 or 16")
    return Image.fromarray(values.astype(np.uint16))


def reduce_depth(deep: Image.Image, bits: int) -> Image.Image:
    """Return a deep image of at most `bits` bits with 8 bits, mode L."""
    return Image.fromarray((np.asarray(deep) >> (bits - 8)).clip(max=_MAX_BYTE).astype(np.uint8))


def has_deep_colours(image: ImageFile) -> bool:
    """Return whether a colour image, opened but not yet loaded, has 16 bits a channel."""
    # What Pillow unpacks, such as RGB;16B. For a PPM file it is ("RGB", the largest value).
    layout = image.tile[0].args if image.tile else ""
    if image.format == "PPM" and isinstance(layout, tuple):
        return image.mode == "RGB" and int(layout[1]) > _MAX_BYTE
    return image.mode in {"RGB", "RGBA"} and ";16" in str(layout)


def read_deep_colours(data: bytes) -> Image.Image:
    """Return a whole colour image, grey with 16 bits; Pillow keeps 8 bits of a channel only."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it writes to stderr
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH)
    if grey is None:
        raise ValueError("colours of 16 bits cannot be read; save the image with 8 bits")
    return Image.fromarray(grey.astype(np.uint16))


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


def decode_face(data: bytes) -> DecodedImage:
    """Return the face in an image file, (48, 48) uint8, and the notes on its conversions.

    The data set decides how a deep image becomes uint8, so its face is a `DeepFace`.

    Raises BrokenImageError if the image is broken or too large.
    """
    grey, notes = decode_grey_image(data)
    if grey.size != (SIDE, SIDE):
        notes = (*notes, RESIZED)
    if not is_deep(grey):
        return resize_to_face(grey), notes
    largest = int(np.asarray(grey).max())
    depths = [bits for bits in DEPTHS if bits >= find_depth(largest)]
    by_depth = {bits: resize_to_face(reduce_depth(grey, bits)) for bits in depths}
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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # of images that are read all the same
            return _decode_grey_image(data)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        if kind := detect_content(data[:HEAD_BYTES]):
            raise BrokenImageError(f"not an image of a known kind, but {kind}") from None
        kinds = ", ".join(_PILLOW_FORMATS)
        raise BrokenImageError(f"not an image of a known kind ({kinds})") from None
    # Pillow's decoders raise nearly anything on broken files: OSError, SyntaxError, struct.error.
    except Exception as error:
        raise BrokenImageError(f"broken image ({error})") from None


def _decode_grey_image(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    notes: list[str] = []
    with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise BrokenImageError(f"{image.width} x {image.height} pixels are too many")
        has_deep = has_deep_colours(image)
        if getattr(image, "is_animated", False):
            notes.append(ANIMATED)
            image.seek(0)
        upright = ImageOps.exif_transpose(image)
        if image.getexif().get(ExifTags.Base.Orientation) in range(2, 9):
            notes.append(TURNED)
        grey = _to_grey(upright, notes)
    if has_deep and TRANSPARENT not in notes:
        grey = read_deep_colours(data)
    return grey, tuple(notes)


def _to_grey(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return a grey image, and add what was converted to the notes."""
    if image.mode == "L" and "transparency" not in image.info:
        image.load()
        return image
    if is_deep(image):
        return to_deep_grey(image)
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
