"""One image file of any kind -> one grey 48 x 48 face."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fer_tune.data.faces import SIDE

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
)
# Of the kinds that Pillow knows these alone are opened, whatever a file's name says: for others it
# may run a program (Ghostscript, for PostScript), and every decoder more is one more to trust.
_PILLOW_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MAX_PIXELS = 50_000_000  # no photograph of a face is larger; a bomb is

RESIZED = "images of other sizes resized to 48 x 48 (their central square): {}"
COLOUR = "colour images turned grey: {}"
DEEP = "16-bit images reduced to 8 bits: {}"
TRANSPARENT = "transparent images laid on white: {}"
ANIMATED = "animated images of which the first frame was read: {}"
TURNED = "images turned upright as their EXIF data says: {}"


class BrokenImageError(ValueError):
    """What is wrong with an image, in a few words."""


def decode_face(data: bytes) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The face in an image file: (48, 48) uint8, and what was converted to get it.

    Raises BrokenImageError for anything that is no whole, sane image.
    """
    grey, done = decode_grey(data)
    if grey.size != (SIDE, SIDE):
        done = (*done, RESIZED)
    return resize_to_face(grey), done


def resize_to_face(grey: Image.Image) -> NDArray[np.uint8]:
    """The central square of a grey image, as (48, 48) uint8."""
    if grey.size != (SIDE, SIDE):
        grey = ImageOps.fit(grey, (SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, dtype=np.uint8)


def decode_grey(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """The image in a file, grey and as its EXIF data turns it, and what was converted to get it.

    Raises BrokenImageError for anything that is no whole, sane image.
    """
    if not data:
        raise BrokenImageError("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise BrokenImageError(f"{image.width} x {image.height} pixels are too many")
            return _to_upright_grey(image)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        raise BrokenImageError(
            f"not an image of a known kind ({', '.join(_PILLOW_FORMATS)})"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BrokenImageError("too many pixels") from None
    # Pillow's decoders raise nearly anything on broken files: OSError, SyntaxError, struct.error.
    except Exception as error:
        raise BrokenImageError(f"broken image ({error})") from None


@contextmanager
def suppress_pillow_warnings() -> Iterator[None]:
    """Around many `decode_face` calls: no warnings on stderr about files that were read anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _to_upright_grey(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    done: list[str] = []
    if getattr(image, "is_animated", False):
        done.append(ANIMATED)
        image.seek(0)
    upright = ImageOps.exif_transpose(image)
    if image.getexif().get(ExifTags.Base.Orientation) in range(2, 9):
        done.append(TURNED)
    return _to_grey(upright, done), tuple(done)


def _to_grey(image: Image.Image, conversions: list[str]) -> Image.Image:
    if image.mode == "L" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith("I"):
        conversions.append(DEEP)
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray(np.clip(deep >> 8, 0, 255).astype(np.uint8))
    if image.mode == "F":
        raise BrokenImageError("pixels are fractions; save it with 8 bits")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        if layers.getchannel("A").getextrema() != (255, 255):
            conversions.append(TRANSPARENT)
        image = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
        grey_already = _has_equal_channels(image)
    else:
        grey_already = image.mode in ("L", "LA", "1") or _has_equal_channels(image)
    if not grey_already:
        conversions.append(COLOUR)
    return image.convert("L")


def _has_equal_channels(image: Image.Image) -> bool:
    rgb = np.asarray(image.convert("RGB"))
    return bool((rgb == rgb[..., :1]).all())
