import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from fer_tune.data.formats.image_file import decode_face
from fer_tune.predict.extract_faces import (
    Photo,
    PhotoFace,
    PhotoFiles,
    UnreadableFile,
    extract_all_faces,
    open_photos,
)

HOPPER = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
FACE = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)


@pytest.fixture
def hopper() -> Image.Image:
    with Image.open(HOPPER) as photo:
        return photo.convert("RGB")


def faces_at(path: Path) -> list[PhotoFace]:
    photos = PhotoFiles([Photo(str(path), path.read_bytes)], [], [])
    faces = extract_all_faces(photos)
    assert photos.unreadable == []
    return faces


def files(*names: str) -> tuple[list[str], list[UnreadableFile]]:
    with open_photos([Path(name) for name in names]) as (photos, unread, _):
        return [photo.file for photo in photos], unread


def write(names: Iterable[str]) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(FACE).save(name)


def test_a_small_square_image_is_a_face_made_as_a_study_makes_it() -> None:
    for side in (48, 100, 128):
        Image.fromarray(FACE).resize((side, side)).convert("RGB").save("face.png")
        (face,) = faces_at(Path("face.png"))
        assert (face.origin, face.box) == ("small square", None)
        np.testing.assert_array_equal(face.image, decode_face(Path("face.png").read_bytes())[0])


def test_a_face_in_a_photograph_is_cut_out(hopper: Image.Image) -> None:
    (face,) = faces_at(HOPPER)
    assert face.origin == "found"
    assert face.box is not None
    x, y, side = face.box
    hopper.crop((x, y, x + side, y + side)).save("cut.png")
    np.testing.assert_array_equal(face.image, decode_face(Path("cut.png").read_bytes())[0])


def test_several_faces_of_one_photograph_have_boxes_of_their_own(hopper: Image.Image) -> None:
    pair = Image.new("RGB", (2 * hopper.width, hopper.height))
    pair.paste(hopper, (0, 0))
    pair.paste(ImageOps.mirror(hopper), (hopper.width, 0))
    pair.save("pair.png")
    first, second = faces_at(Path("pair.png"))
    assert first.file == second.file == "pair.png"
    assert first.box is not None
    assert second.box is not None
    assert first.box.x < hopper.width < second.box.x
    unlike = np.abs(first.image.astype(float) - second.image[:, ::-1]).mean()
    assert unlike < 20


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photograph_taken_with_a_turned_camera_is_set_upright(
    hopper: Image.Image, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turn = {3: 180, 6: 90, 8: 270}[orientation]
    hopper.rotate(turn, expand=True).save("turned.jpg", exif=exif, quality=95)
    (turned,), (upright,) = faces_at(Path("turned.jpg")), faces_at(HOPPER)
    assert turned.box == pytest.approx(upright.box, abs=8)


def test_a_photograph_without_a_detected_face_is_used_completely() -> None:
    Image.new("L", (400, 300), 128).save("wall.png")
    (face,) = faces_at(Path("wall.png"))
    assert (face.origin, face.box) == ("no face found", None)
    assert (face.image == 128).all()


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 no more"])
def test_a_file_that_is_not_an_image_is_described_in_words(content: bytes) -> None:
    Path("broken.jpg").write_bytes(content)
    photos = PhotoFiles([Photo("broken.jpg", Path("broken.jpg").read_bytes)], [], [])
    assert extract_all_faces(photos) == []
    assert [each.file for each in photos.unreadable] == ["broken.jpg"]


def test_a_file_that_disappeared_is_described_in_words() -> None:
    write(["gone.png"])
    with open_photos([Path("gone.png")]) as photos:
        Path("gone.png").unlink()
        assert extract_all_faces(photos) == []
    reason = "cannot be read (No such file or directory)"
    assert photos.unreadable == [UnreadableFile("gone.png", reason)]


def test_a_folder_means_every_image_in_it() -> None:
    write(["faces/b.png", "faces/deep/a.jpg", "faces/.hidden/c.png"])
    Path("faces/notes.txt").touch()
    Path("faces/labels.csv").write_text("emotion,pixels\n")
    assert files("faces") == (["faces/b.png", "faces/deep/a.jpg"], [])


def test_a_zip_means_every_image_in_it() -> None:
    write(["a.png", "b.png"])
    with zipfile.ZipFile("faces.zip", "w") as archive:
        archive.write("a.png", "happy/a.png")
        archive.write("b.png", "happy/b.png")
    with open_photos([Path("faces.zip")]) as photos:
        assert [photo.file for photo in photos.photos] == [
            "faces.zip/happy/a.png",
            "faces.zip/happy/b.png",
        ]
        np.testing.assert_array_equal(extract_all_faces(photos)[0].image, FACE)
    assert (photos.unreadable, photos.notes) == ([], [])


def test_a_pattern_means_the_files_that_a_shell_would_list() -> None:
    write(["b.png", "a.png", "deep/er/c.png", "odd[1].png"])
    assert files("*.png") == (["a.png", "b.png", "odd[1].png"], [])
    assert files("deep/**/*.png") == (["deep/er/c.png"], [])
    assert files("deep/**") == (["deep/er/c.png"], [])
    assert files(f"{Path.cwd()}/a.*") == ([f"{Path.cwd()}/a.png"], [])
    assert files("odd[1].png") == (["odd[1].png"], [])


def test_an_image_with_any_ending_is_one() -> None:
    write(["face.png"])
    Path("face.png").rename("face")
    assert files("face") == (["face"], [])


@pytest.mark.parametrize(
    "name", ["missing.png", "*.jpg", "empty", "text", "unsafe.zip", "a" * 300, "[", "loop", "pipe"]
)
def test_a_missing_file_does_not_stop_the_reading_of_other_files(name: str) -> None:
    write(["good.png"])
    for folder in ("empty", "text"):
        Path(folder).mkdir()
    Path("text/notes.txt").touch()
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")
    with zipfile.ZipFile("unsafe.zip", "w") as archive:
        archive.writestr("../out.png", b"")
    found, unread = files("good.png", name)
    assert found == ["good.png"]
    assert [each.file for each in unread] == [name]
    assert "\n" not in unread[0].why


def test_links_are_followed_and_what_is_no_image_is_noted() -> None:
    write(["store/a.png", "store/b.png", "folder/@eaDir/c.png"])
    Path("folder/a.png").symlink_to("../store/a.png")
    Path("folder/deep").symlink_to("../store")
    Path("folder/c.heic").touch()
    with open_photos([Path("folder")]) as (photos, unread, notes):
        names = [photo.file for photo in photos]
    assert names == ["folder/a.png", "folder/deep/a.png", "folder/deep/b.png"]
    assert unread == []
    assert notes == [
        "folder: files skipped: 1 .heic (first: c.heic)",
    ]


def test_a_folder_without_images_says_what_it_holds() -> None:
    Path("folder").mkdir()
    Path("folder/c.heic").touch()
    _, ((_, why),) = files("folder")
    assert why.startswith("it contains no images; files skipped: 1 .heic (first: c.heic)")


def test_a_pattern_leaves_out_what_systems_leave_behind() -> None:
    write(["a.png", "deep/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "deep/b.png"])
    Path("Thumbs.db").touch()
    assert files("[a-zT]*") == (["a.png", "deep/b.png"], [])
    assert files("deep/**") == (["deep/b.png"], [])
    assert files("deep/@eaDir/*/*.jpg")[0] == ["deep/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg"]


def test_the_deep_images_of_one_command_share_the_depth_of_their_largest_value() -> None:
    dark, bright = np.full((48, 48), 800, np.uint16), np.full((48, 48), 4000, np.uint16)
    Image.fromarray(dark).save("dark.png")
    Image.fromarray(bright).save("bright.png")
    write(["plain.png"])
    with open_photos([Path("dark.png"), Path("plain.png"), Path("bright.png")]) as photos:
        faces = extract_all_faces(photos)
    (note,) = photos.notes
    assert note.startswith("16-bit images, reduced from 12 bits to 8: 2 (their largest value is 4,")
    assert [face.file for face in faces] == ["dark.png", "plain.png", "bright.png"]
    assert [int(face.image[0, 0]) for face in faces] == [800 >> 4, FACE[0, 0], 4000 >> 4]
    (alone,) = faces_at(Path("dark.png"))
    assert alone.image[0, 0] == 800 >> 2
