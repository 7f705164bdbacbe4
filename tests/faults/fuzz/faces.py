"""Images of every kind, and the reading of faces."""

import io
import shutil
from pathlib import Path

from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.audit import audit_splits
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions
from tests.faults.fuzz.damage import check_message


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def faces_are_read_or_refused(path: Path, skip_bad: bool) -> None:
    try:
        splits = load_splits(path, ReadOptions(skip_bad))
    except UserError as error:
        check_message(error)
    else:
        texts = (splits.source, splits.protocol, *splits.notes, *splits.classes)
        assert all(
            text.isprintable() for text in (*texts, *audit_splits(splits).summarize_findings())
        )
        assert splits.content_hash()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    packed = io.BytesIO()
    image.save(packed, kind, **options)
    return packed.getvalue()


def every_image() -> dict[str, bytes]:
    face = Image.linear_gradient("L").resize((48, 48))
    frames = {"save_all": True, "append_images": [face.rotate(90)], "duration": 10}
    turned = Image.Exif()
    turned[0x112] = 6
    deep = Image.frombytes("I;16", (48, 48), bytes(range(256)) * 18)
    clear = face.convert("P")
    return {
        **{mode: saved(face.convert(mode), "PNG") for mode in ("L", "1", "P", "RGB", "RGBA", "LA")},
        **{
            kind: saved(face, kind) for kind in ("JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "EPS")
        },
        "deep": saved(deep, "PNG"),
        "clear": saved(clear, "PNG", transparency=b"\0" * 9),
        "cmyk": saved(face.convert("CMYK"), "JPEG", exif=turned),
        "fractions": saved(face.convert("F"), "TIFF"),
        "packed": saved(face, "TIFF", compression="tiff_lzw"),
        "moving": saved(face, "GIF", **frames),
        "moving png": saved(face, "PNG", **frames),
        "pages": saved(face, "TIFF", **frames),
        "bomb": saved(Image.new("1", (10_000, 10_000)), "PNG"),
        "thin": saved(Image.new("L", (60_000, 1)), "PNG"),
    }


IMAGES = every_image()
