import os
from pathlib import Path

import numpy as np
import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.demo import demo_splits
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions


def write_csv(path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"{n % 2},{' '.join(map(str, rng.integers(0, 256, 2304)))}\n" for n in range(12)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("emotion,pixels\n" + "".join(rows))
    return path


def test_without_any_data_the_demo_faces_are_loaded() -> None:
    assert load_splits(None).source == demo_splits.DEMO_SOURCE


def test_an_empty_data_folder_is_nothing_found() -> None:
    Path("data").mkdir()
    Path("data", "README.md").write_text("no faces yet")
    assert load_splits(None).source == demo_splits.DEMO_SOURCE


def test_the_data_folder_is_the_default() -> None:
    write_csv(Path("data", "fer2013.csv"))
    assert load_splits(None).source == "data"


def test_the_environment_wins_over_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(Path("data", "fer2013.csv"))
    monkeypatch.setenv("FER_TUNE_DATA", str(write_csv(tmp_path / "other.csv")))
    assert load_splits(None).source == "other.csv"


def test_a_path_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_TUNE_DATA", str(tmp_path / "missing"))
    assert load_splits(write_csv(tmp_path / "named.csv")).source == "named.csv"


def test_a_missing_path_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_TUNE_DATA", "no/such/place")
    with pytest.raises(UserError, match="no/such/place does not exist"):
        load_splits(None)


def test_a_renamed_file_has_its_new_name_as_source(tmp_path: Path) -> None:
    old = write_csv(tmp_path / "old.csv")
    assert load_splits(old).source == "old.csv"
    for _ in range(2):
        assert load_splits(old.rename(tmp_path / "new\n.csv")).source == "new\\n.csv"
        old = tmp_path / "new\n.csv"


def test_a_path_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "no", tmp_path / "file" / "faces.csv", Path("nul\0")):
        with pytest.raises(UserError, match="does not exist; name a file or folder of faces"):
            load_splits(path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="loop cannot be read: Too many levels of symbolic links"):
        load_splits(tmp_path / "loop")


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").touch()
    with pytest.raises(UserError, match=r"fer2013.csv is empty"):
        load_splits(tmp_path / "fer2013.csv")


@pytest.mark.parametrize("header", ["emotion,pixels", "emotion,pixels\n", "emotion,pixels\n\n\n"])
def test_a_header_alone_is_an_error(header: str, tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text(header)
    with pytest.raises(UserError, match="holds no readable faces"):
        load_splits(tmp_path / "fer2013.csv")


def test_something_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        load_splits(tmp_path / "pipe.csv")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "faces.tar.gz").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UserError, match="is a binary file of an unknown kind"):
        load_splits(tmp_path / "faces.tar.gz")


def test_a_single_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(b"image")
    with pytest.raises(UserError, match=r"me\.png is in no class folder; put the images"):
        load_splits(tmp_path / "me.png")


def test_a_name_that_no_record_could_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"f\\udcffr.csv has a name that is not UTF-8"):
        load_splits(write_csv(tmp_path / os.fsdecode(b"f\xffr.csv")))


def test_the_demo_faces_say_why_the_data_folder_is_not_used() -> None:
    Path("data").mkdir()
    assert load_splits(None).notes == ()
    Path("data", "fer2013.tar.gz").write_bytes(b"\x1f\x8b")
    (note,) = load_splits(None).notes
    assert note.startswith(
        "data/ is not used: data holds no faces (files skipped: 1 .gz (first: fer2013.tar.gz))"
    )


def test_other_files_in_the_data_folder_are_counted() -> None:
    Path("data").mkdir()
    Path("data", "README.md").touch()
    Path("data", "faces.csv").symlink_to("nowhere.csv")
    (note,) = load_splits(None).notes
    assert note.startswith(
        "data/ is not used: data holds no faces (links to missing or unreadable files: 1 "
        "(first: faces.csv); files skipped: 1 .md (first: README.md)); known formats: "
    )


def test_a_data_link_that_leads_nowhere_is_not_used() -> None:
    Path("data").symlink_to("/no/such/folder")
    assert load_splits(None).notes == ("data/ is not used: it is a broken link",)
    Path("data").unlink()
    Path("data").touch()
    assert load_splits(None).notes == ("data/ is not used: it is not a folder",)


def test_a_data_folder_that_links_to_the_faces_is_used(tmp_path: Path) -> None:
    write_csv(tmp_path / "elsewhere" / "fer2013.csv")
    Path("data").mkdir()
    Path("data", "faces").symlink_to(tmp_path / "elsewhere")
    splits = load_splits(None)
    assert (splits.source, splits.origin) == ("data", Path("data").resolve())


def test_a_linked_file_has_the_name_that_the_user_gave(tmp_path: Path) -> None:
    write_csv(tmp_path / "stored" / "5f3a").rename(tmp_path / "blob")
    (tmp_path / "fer2013.csv").symlink_to("blob")
    splits = load_splits(tmp_path / "fer2013.csv")
    assert (splits.source, splits.origin) == ("fer2013.csv", tmp_path / "fer2013.csv")


@pytest.mark.parametrize("name", [".", "../faces", "deep/..", "../faces/deep/../."])
def test_a_relative_path_has_the_folders_own_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "faces" / "fer2013.csv")
    (tmp_path / "faces" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "faces")
    splits = load_splits(Path(name))
    assert (splits.source, splits.origin) == ("faces", tmp_path / "faces")


def test_labels_without_a_data_set_are_refused() -> None:
    with pytest.raises(UserError, match="--labels needs a data set; name its file or folder too"):
        load_splits(None, ReadOptions(labels="1=happy"))


def test_a_table_without_a_tables_suffix_is_read_if_it_is_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "faces" / "fer2013.txt")
    assert load_splits(tmp_path / "faces" / "fer2013.txt").classes == ("angry", "disgust")
