import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from fer_tune.common.errors import UserError
from fer_tune.data.formats import image_file
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)


def packed(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def decode(data: bytes) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Decode a face of 8 bits."""
    pixels, notes = image_file.decode_face(data)
    assert isinstance(pixels, np.ndarray)
    return pixels, notes


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM"])
def test_lossless_kinds_keep_every_pixel(kind: str) -> None:
    pixels, converted = decode(packed(Image.fromarray(FACE), kind))
    np.testing.assert_array_equal(pixels, FACE)
    assert converted == ()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_a_grey_face_kept_in_a_colour_mode_is_the_same_face(mode: str) -> None:
    pixels, converted = decode(packed(Image.fromarray(FACE).convert(mode)))
    np.testing.assert_array_equal(pixels, FACE)
    assert converted == ()


def test_colour_is_converted_to_grey_with_a_note() -> None:
    red = Image.new("RGB", (48, 48), "red")
    pixels, converted = decode(packed(red))
    assert (pixels == 76).all()  # 0.299 * 255
    assert converted == (image_file.COLOUR,)


def test_transparent_pixels_are_white() -> None:
    pixels, converted = decode(packed(Image.new("RGBA", (48, 48), (0, 0, 0, 0))))
    assert (pixels == 255).all()
    assert converted == (image_file.TRANSPARENT,)


def test_a_wide_picture_keeps_its_proportions() -> None:
    wide = np.zeros((96, 192), np.uint8)
    wide[:, 48:144] = 200  # the central square
    pixels, converted = decode(packed(Image.fromarray(wide)))
    assert pixels.min() > 180  # the black sides were cropped, not squeezed in
    assert converted == (image_file.RESIZED,)


def test_a_turned_photograph_is_set_upright() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3  # upside down
    pixels, converted = decode(packed(Image.fromarray(FACE), exif=exif))
    np.testing.assert_array_equal(pixels, FACE[::-1, ::-1])
    assert converted == (image_file.TURNED,)


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.fromarray(FACE), Image.fromarray(255 - FACE)]
    data = packed(frames[0], "GIF", save_all=True, append_images=frames[1:])
    pixels, converted = decode(data)
    np.testing.assert_array_equal(pixels, FACE)
    assert converted == (image_file.ANIMATED,)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"no image at all"])
def test_a_broken_image_is_described_in_words(data: bytes) -> None:
    with pytest.raises(image_file.BrokenImageError):
        image_file.decode_face(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"])
def test_an_image_cut_short_is_broken(kind: str) -> None:
    data = packed(Image.fromarray(FACE), kind)[:900]
    with pytest.raises(image_file.BrokenImageError):
        image_file.decode_face(data)


@given(st.binary(max_size=300), st.integers(0, 60))
def test_no_bytes_raise_anything_else(noise: bytes, start: int) -> None:
    png = packed(Image.fromarray(FACE))
    with contextlib.suppress(image_file.BrokenImageError):
        image_file.decode_face(png[:start] + noise + png[start + len(noise) :])


def test_no_program_is_run_for_what_only_calls_itself_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    drawing = packed(Image.fromarray(FACE), "EPS")
    with pytest.raises(image_file.BrokenImageError, match="not an image of a known kind"):
        image_file.decode_face(drawing)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["PCX", "TGA", "ICO", "JPEG2000", "PDF"])
def test_kinds_that_no_data_set_uses_are_not_opened(kind: str) -> None:
    with pytest.raises(image_file.BrokenImageError, match="not an image of a known kind"):
        image_file.decode_face(packed(Image.fromarray(FACE), kind))


def test_an_image_of_absurd_size_is_refused_before_it_is_unpacked() -> None:
    bomb = packed(Image.new("1", (20_000, 20_000)))
    with pytest.raises(image_file.BrokenImageError, match="exceeds limit"):
        image_file.decode_face(bomb)
    with pytest.raises(image_file.BrokenImageError, match="10000 x 9000 pixels are too many"):
        image_file.decode_face(packed(Image.new("1", (10_000, 9_000))))


def write_folders(folder: Path, mode: str = "L", side: int = 48) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for name in ("happy", "sad"):
            (folder / split / name).mkdir(parents=True)
            for n in range(3):
                face = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(face).convert(mode).save(folder / split / name / f"{n}.png")


def test_what_was_converted_is_noted_with_counts(tmp_path: Path) -> None:
    write_folders(tmp_path / "faces", mode="RGB", side=60)
    notes = load_splits(tmp_path / "faces").notes
    assert image_file.COLOUR.format(18) in notes
    assert image_file.RESIZED.format(18) in notes


def test_a_broken_image_in_a_folder_is_named_and_can_be_skipped(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    write_folders(faces)
    expected = load_splits(faces).content_hash()
    (faces / "train" / "sad" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    with pytest.raises(UserError, match=r"^train/sad/broken.jpg: .* \(--skip-bad"):
        load_splits(faces)
    assert load_splits(faces, ReadOptions(skip_bad=True)).content_hash() == expected


def test_files_are_known_by_every_suffix_that_pillow_has_for_their_kinds() -> None:
    own = {"MPO", *image_file._PILLOW_FORMATS}  # an .mpo is a JPEG
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in own}
    assert suffixes == image_file.SUFFIXES


@pytest.mark.parametrize("suffix", sorted(image_file.SUFFIXES - {".pfm"}))
def test_an_image_of_every_suffix_is_read(suffix: str, tmp_path: Path) -> None:
    grey = Image.fromarray(FACE // 128 * 255)
    grey.convert("1" if suffix == ".pbm" else "RGB").save(tmp_path / f"face{suffix}")
    pixels, _ = decode((tmp_path / f"face{suffix}").read_bytes())
    assert np.abs(pixels.astype(int) - np.asarray(grey)).mean() < 40
