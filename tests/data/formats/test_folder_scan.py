import contextlib
import errno
import os
import subprocess
import zipfile
from pathlib import Path, PurePath

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES, Splits
from fer_tune.data.formats.folder_scan import describe_skipped_files, scan_folder
from fer_tune.data.load import load_splits
from tests.data.held import SPLIT_OF, Face, drawn_faces, place, write_hub_parquet

LEFT_BEHIND = (
    *(".DS_Store", "._1.png", "Thumbs.db", "thumbs.db", "Desktop.ini", "__MACOSX/happy/1.png"),
    *("@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", "#recycle/1.png", "$RECYCLE.BIN/1.png"),
    *("System Volume Information/x", "lost+found/1.png", ".ipynb_checkpoints/1-checkpoint.png"),
    *(
        ".git/objects/1.png",
        ".thumbnails/1.png",
        "@Recycle/1.png",
        "__pycache__/x.pyc",
        "@tmp/1.png",
    ),
)


def write_folders(folder: Path, faces: list[Face]) -> Path:
    for number, face in enumerate(faces):
        place(face, folder / SPLIT_OF[face.usage] / face.emotion / f"{number}.png")
    return folder


def touch(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"content")


def count_faces(splits: Splits) -> list[int]:
    return [len(splits[name]) for name in SPLIT_NAMES]


@pytest.fixture
def expected(tmp_path: Path) -> str:
    return load_splits(write_folders(tmp_path / "expected", drawn_faces())).content_hash()


def test_what_systems_leave_behind_is_neither_read_nor_counted(folder: Path, expected: str) -> None:
    write_folders(folder, drawn_faces())
    touch(folder, *LEFT_BEHIND)
    touch(folder / "train" / "happy", *LEFT_BEHIND)
    splits = load_splits(folder)
    assert splits.content_hash() == expected
    assert splits.notes == ()


def test_zips_are_rid_of_what_systems_leave_behind_too(tmp_path: Path, expected: str) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, face in enumerate(drawn_faces()):
            archive.writestr(f"{SPLIT_OF[face.usage]}/{face.emotion}/{number}.png", face.png)
        for name in LEFT_BEHIND:
            archive.writestr(f"train/happy/{name}", b"content")
        archive.writestr("train/happy/me.HEIC", b"content")
    splits = load_splits(path)
    assert splits.content_hash() == expected
    (note,) = splits.notes
    assert note.startswith("files skipped: 1 .heic (first: train/happy/me.HEIC)")


def test_a_folder_of_nothing_else_holds_no_faces(folder: Path) -> None:
    touch(folder, *LEFT_BEHIND)
    assert scan_folder(folder) == ([], [])
    with pytest.raises(UserError, match="holds no faces; known formats"):
        load_splits(folder)


def test_files_passed_over_are_counted_by_suffix(folder: Path, expected: str) -> None:
    write_folders(folder, drawn_faces())
    touch(folder, "train/sad/1.heic", "train/sad/2.HEIC", "train/sad/3", "README.md", "labels.csv")
    splits = load_splits(folder)
    assert splits.content_hash() == expected
    assert splits.notes == (
        "files skipped: 2 .heic, 1 .md, 1 without a suffix, 1 .csv (first: train/sad/1.heic)",
    )


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (["a.tar.gz"], "1 .gz (first: a.tar.gz)"),
        (["b.", "Mr. Smith smiles", "x.way_too_long_for_one"], "3 without a suffix (first: "),
        ([f"1.x{n}" for n in range(8)], "1 .x0, 1 .x1, 1 .x2, 1 .x3, 1 .x4, 3 others (first: "),
        ([f"1.x{n}" for n in range(6)], "1 .x0, 1 .x1, 1 .x2, 1 .x3, 1 .x4, 1 other (first: "),
        (["1\n.txt"], "1 .txt (first: 1\\n.txt)"),
        ([f"{n}.json" for n in range(1200)], "1,200 .json (first: 0.json)"),
    ],
)
def test_a_note_on_files_passed_over_is_one_short_line(names: list[str], counts: str) -> None:
    (note,) = describe_skipped_files([PurePath(name) for name in names])
    assert note.startswith(f"files skipped: {counts}")
    assert note.isprintable()


def test_a_folder_without_readable_files_says_what_it_holds(folder: Path) -> None:
    touch(folder, "train/happy/1.heic", "train/happy/2.heic", "notes.txt")
    match = r"holds no faces \(.*files skipped: 2 \.heic, 1 \.txt .*1.heic\)\); known formats"
    with pytest.raises(UserError, match=match):
        load_splits(folder)


def test_a_split_left_empty_says_which_files_were_passed_over(folder: Path) -> None:
    write_folders(folder, drawn_faces())
    for file in (folder / "train").rglob("*.png"):
        file.rename(file.with_suffix(".heic"))
    with pytest.raises(UserError) as error:
        load_splits(folder)
    assert "none to train on" in str(error.value)
    assert "files skipped: 42 .heic (first: train/angry/0.heic)" in str(error.value)


def test_links_to_images_are_followed(folder: Path, tmp_path: Path, expected: str) -> None:
    write_folders(tmp_path / "store", drawn_faces())
    for file in (tmp_path / "store").rglob("*.png"):
        link = folder / file.relative_to(tmp_path / "store")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    splits = load_splits(folder)
    assert splits.content_hash() == expected
    assert splits.notes == ()


def test_links_to_folders_are_followed(folder: Path, tmp_path: Path, expected: str) -> None:
    store = write_folders(tmp_path / "store", drawn_faces())
    (folder / "train").symlink_to(store / "train")
    (folder / "val").symlink_to("../store/validation")
    (folder / "test").mkdir()
    for emotion in EMOTIONS:
        (folder / "test" / emotion).symlink_to(store / "test" / emotion)
    splits = load_splits(folder)
    assert splits.content_hash() == expected
    assert splits.notes == ()


def test_no_folder_is_read_twice_and_circles_end(folder: Path, expected: str) -> None:
    write_folders(folder, drawn_faces())
    (folder / "again").symlink_to(folder / "train")
    (folder / "train" / "happy" / "up").symlink_to(folder)
    (folder / "train" / "sad" / "above").symlink_to(folder.parent.parent)
    splits = load_splits(folder)
    assert splits.content_hash() == expected
    assert splits.notes == ("links to folders that are read already: 3 (first: again)",)


def test_folders_that_link_to_each_other_are_read_once(folder: Path, tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        place(drawn_faces()[0], tmp_path / name / "1.png")
        (tmp_path / name / "other").symlink_to(tmp_path / other)
    (folder / "a").symlink_to(tmp_path / "a")
    files, notes = scan_folder(folder)
    assert [str(file.relative_to(folder)) for file in files] == ["a/1.png", "a/other/1.png"]
    assert notes == ["links to folders that are read already: 1 (first: a/other/other)"]


def test_links_that_lead_nowhere_are_counted(folder: Path) -> None:
    write_folders(folder, drawn_faces())
    (folder / "train" / "sad" / "gone.png").symlink_to("../nowhere.png")
    (folder / "train" / "sad" / "loop.png").symlink_to("loop.png")
    (folder / "val").symlink_to("/no/such/folder")
    assert load_splits(folder).notes == (
        "links to missing or unreadable files: 3 (first: train/sad/gone.png)",
    )


def test_a_folder_of_broken_links_says_so(folder: Path) -> None:
    (folder / "fer2013.csv").symlink_to(".git/annex/objects/x")
    with pytest.raises(UserError, match=r"no faces \(links to missing or unreadable files: 1 "):
        load_splits(folder)


def test_a_hubs_snapshot_of_links_is_read_and_named_by_the_link(
    folder: Path, tmp_path: Path
) -> None:
    plain = write_hub_parquet(drawn_faces(), tmp_path)
    snapshot, blobs = folder / "snapshots" / "0123abcd" / "data", folder / "blobs"
    for number, shard in enumerate(sorted(plain.glob("data/*.parquet"))):
        blobs.mkdir(exist_ok=True)
        snapshot.mkdir(parents=True, exist_ok=True)
        shard.rename(blobs / f"{number:064x}")
        (snapshot / shard.name).symlink_to(f"../../../blobs/{number:064x}")
    assert count_faces(load_splits(snapshot.parent)) == [42, 14, 14]
    splits = load_splits(snapshot / "train-00000-of-00001.parquet")
    assert splits.source == "train-00000-of-00001.parquet"
    assert splits.origin == snapshot / "train-00000-of-00001.parquet"
    *_, note = load_splits(folder).notes
    assert note.startswith("files skipped: 3 without a suffix (first: blobs/000")


def test_a_device_is_not_waited_for(folder: Path) -> None:
    write_folders(folder, drawn_faces())
    os.mkfifo(folder / "train" / "sad" / "pipe.png")
    (folder / "train" / "sad" / "pipe2.png").symlink_to("pipe.png")
    assert count_faces(load_splits(folder)) == [42, 14, 14]


def test_a_folder_that_cannot_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match="faces cannot be read: Permission denied; make it"):
        scan_folder(folder)


def test_folders_too_deep_for_the_system_are_one_clear_line(tmp_path: Path) -> None:
    name = "a" * 200
    with contextlib.chdir(tmp_path):
        for _ in range(25):
            Path(name).mkdir()
            os.chdir(name)
    try:
        with pytest.raises(UserError, match="cannot be read: File name too long; make it"):
            scan_folder(tmp_path)
    finally:  # pytest cannot
        subprocess.run(["rm", "-r", tmp_path / name], check=True)
