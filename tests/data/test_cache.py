import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_tune.common import atomic
from fer_tune.data import cache
from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES, Faces, Splits
from fer_tune.data.formats import DecodedFaces
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import DEFAULT_OPTIONS, ReadOptions
from tests.data.held import drawn_faces, write_csv


class Decoder:
    """A decoder that returns six faces in each split and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> DecodedFaces:
        self.calls += 1
        images = np.random.default_rng(0).integers(0, 256, (6, 48, 48), dtype=np.uint8)
        faces = Faces(images, np.arange(6) % 2)
        return DecodedFaces(("happy", "sad"), dict.fromkeys(SPLIT_NAMES, faces), ("a note",))


def hash_faces(decoded: DecodedFaces) -> str:
    train, validation, test = (decoded.splits[name] for name in SPLIT_NAMES)
    return Splits(decoded.classes, train, validation, test, "", "").content_hash()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "faces.csv"
    path.write_text("some content")
    return path


def test_the_second_start_decodes_nothing_and_gives_the_same(source: Path) -> None:
    decode = Decoder()
    first, second = (cache.load_or_decode(source, decode, DEFAULT_OPTIONS) for _ in range(2))
    assert decode.calls == 1
    assert hash_faces(first) == hash_faces(second)
    for decoded in (first, second):
        assert (decoded.notes, decoded.has_splits) == (("a note",), True)
        assert decoded.splits["test"].names.tolist() == ["0", "1", "2", "3", "4", "5"]


def test_a_touched_file_is_decoded_again_once(source: Path) -> None:
    decode = Decoder()
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    os.utime(source, ns=(1, 1))
    for _ in range(2):
        cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert decode.calls == 2


def test_a_file_that_changes_while_it_is_decoded_is_not_cached(source: Path) -> None:
    decode = Decoder()

    def decode_and_change() -> DecodedFaces:
        source.write_text("changed meanwhile")
        return decode()

    cache.load_or_decode(source, decode_and_change, DEFAULT_OPTIONS)
    assert not cache.locate_cache_folder().exists()


def test_a_cache_of_an_earlier_version_is_not_read_and_goes_in_its_turn(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a file from the hash of the stats to that of the contents, which names the arrays."""
    decode, folder, contents = Decoder(), cache.locate_cache_folder(), "3" * 64
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    (file,) = folder.glob("*.npz")
    file.with_suffix(".key").write_text(contents)
    file = file.rename(folder / f"{contents}.npz")
    assert hash_faces(cache.load_or_decode(source, decode, DEFAULT_OPTIONS))
    assert decode.calls == 2
    monkeypatch.setattr(cache, "_MAX_DATA_SETS", 1)
    os.utime(file, (1, 1))
    source.write_text("other content")
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert not file.exists()


def write_cache_of_version_2(path: Path) -> Path:
    """Write what that version cached of the files at `path`: blank faces, as if misread."""
    lines = ["2 False", str(path)]
    for file in sorted(path.rglob("*.csv")) if path.is_dir() else [path]:
        about = file.stat()
        lines.append(f"{file} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}")
    key = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    arrays: dict[str, NDArray[Any]] = {
        "told": np.array(
            '{"classes": ["FER2013Train", "FER2013Test"], "notes": [], "has_splits": true, '
            '"splits": ["train", "validation", "test"]}'
        )
    }
    for name in SPLIT_NAMES:
        arrays[f"{name}_images"] = np.zeros((6, 48, 48), np.uint8)
        arrays[f"{name}_labels"] = np.arange(6) % 2
        arrays[f"{name}_names"] = np.array(["1.png"] * 6)
    file = cache.locate_cache_folder() / f"{key}.npz"
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as binary:
        np.savez(binary, allow_pickle=False, **arrays)
    return file


@pytest.mark.parametrize("is_folder", [False, True])
def test_faces_that_an_earlier_version_misread_are_decoded_anew(
    is_folder: bool, folder: Path
) -> None:
    source = write_csv(drawn_faces(), folder)
    path = folder if is_folder else source
    file = write_cache_of_version_2(path)
    splits = load_splits(path)
    assert splits.classes == EMOTIONS
    assert splits.train.images.any()
    old = cache._load_npz(file)
    assert old is not None  # it is whole, and not read only because of its version
    assert old.classes == ("FER2013Train", "FER2013Test")
    assert load_splits(path).content_hash() == splits.content_hash()


def test_changed_content_is_decoded_again(source: Path) -> None:
    decode = Decoder()
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    source.write_text("OTHER content")
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert decode.calls == 2


def test_skipping_bad_faces_is_kept_apart(source: Path) -> None:
    decode = Decoder()
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    cache.load_or_decode(source, decode, ReadOptions(skip_bad=True))
    assert decode.calls == 2


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_broken_cache_is_decoded_again_and_mended(source: Path, keep: int) -> None:
    decode = Decoder()
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    (file,) = cache.locate_cache_folder().glob("*.npz")
    file.write_bytes(file.read_bytes()[:keep])
    for _ in range(2):
        cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert decode.calls == 2


def test_a_flipped_pixel_in_the_cache_is_noticed(source: Path) -> None:
    decode = Decoder()
    first = cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    (file,) = cache.locate_cache_folder().glob("*.npz")
    data = bytearray(file.read_bytes())
    data[data.index(first.splits["train"].images[0].tobytes())] ^= 1
    file.write_bytes(data)
    again = cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert hash_faces(again) == hash_faces(first)
    assert decode.calls == 2


def test_a_cache_that_cannot_be_written_is_a_note(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FER_TUNE_CACHE", str(tmp_path / "file" / "below"))
    notes = cache.load_or_decode(source, Decoder(), DEFAULT_OPTIONS).notes
    assert notes[0] == "a note"
    assert "cannot be written" in notes[1]


@pytest.mark.parametrize("place", range(0, 60, 3))
def test_whatever_byte_of_the_cache_is_damaged_it_is_decoded_again(
    source: Path, place: int
) -> None:
    decode = Decoder()
    first = cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    (file,) = cache.locate_cache_folder().glob("*.npz")
    data = bytearray(file.read_bytes())
    data[place] ^= 0xFF
    data[data.rindex(b"PK\x01\x02") + place % 46] ^= 0xFF
    file.write_bytes(data)
    again = cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert hash_faces(again) == hash_faces(first)


def test_only_the_data_sets_used_last_are_kept(tmp_path: Path) -> None:
    decode, sources = Decoder(), [tmp_path / f"{n}.csv" for n in range(8)]
    for age, path in enumerate(reversed(sources)):
        path.write_text(path.name)
        cache.load_or_decode(path, decode, DEFAULT_OPTIONS)
        for file in cache.locate_cache_folder().glob("*.npz"):
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 10))
        if age:
            cache.load_or_decode(
                sources[-1], decode, DEFAULT_OPTIONS
            )  # the first is used all the time
    assert decode.calls == 8
    assert len(list(cache.locate_cache_folder().glob("*.npz"))) == 5
    cache.load_or_decode(sources[0], decode, DEFAULT_OPTIONS)
    cache.load_or_decode(sources[-1], decode, DEFAULT_OPTIONS)
    assert decode.calls == 8
    cache.load_or_decode(sources[-2], decode, DEFAULT_OPTIONS)
    assert decode.calls == 9


def test_several_at_once_prune_and_read_without_harm(tmp_path: Path) -> None:
    sources = [tmp_path / f"{n}.csv" for n in range(8)]
    for path in sources:
        path.write_text(path.name)

    def cached(turn: int) -> tuple[str, tuple[str, ...]]:
        decoded = cache.load_or_decode(sources[turn % 8], Decoder(), DEFAULT_OPTIONS)
        return hash_faces(decoded), decoded.notes

    with ThreadPoolExecutor(4) as pool:
        results = set(pool.map(cached, range(200)))
    assert results == {(hash_faces(Decoder()()), ("a note",))}
    assert len(list(cache.locate_cache_folder().glob("*.npz"))) <= 5 + 4


def test_pruning_touches_nothing_but_what_the_cache_itself_wrote(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MAX_DATA_SETS", 0)
    cache.locate_cache_folder().mkdir()
    others = {"mine.npz", "notes.key", "a.part", "photo.png"}
    for name in others:
        (cache.locate_cache_folder() / name).touch()
        os.utime(cache.locate_cache_folder() / name, (0, 0))
    torn = cache.locate_cache_folder() / f"{'0' * 64}.npz.12-abcd.part"
    torn.touch()
    os.utime(torn, (0, 0))
    cache.load_or_decode(source, Decoder(), DEFAULT_OPTIONS)
    assert {path.name for path in cache.locate_cache_folder().iterdir()} == others


def test_pruning_leaves_files_of_others_that_are_named_by_a_hash_too(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MAX_DATA_SETS", 0)
    cache.locate_cache_folder().mkdir()
    np.savez(cache.locate_cache_folder() / f"{'1' * 64}.npz", features=np.zeros(3))
    (cache.locate_cache_folder() / f"{'2' * 64}.key").write_text("-----BEGIN PRIVATE KEY-----")
    others = {path.name for path in cache.locate_cache_folder().iterdir()}
    cache.load_or_decode(source, Decoder(), DEFAULT_OPTIONS)
    assert {path.name for path in cache.locate_cache_folder().iterdir()} == others


def test_a_renamed_folder_is_decoded_again_once(tmp_path: Path) -> None:
    decode = Decoder()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "faces.csv").write_text("content")
    cache.load_or_decode(tmp_path / "old", decode, DEFAULT_OPTIONS)
    renamed = (tmp_path / "old").rename(tmp_path / "new")
    for _ in range(2):
        cache.load_or_decode(renamed, decode, DEFAULT_OPTIONS)
    assert decode.calls == 2


def test_a_failed_write_leaves_what_was_there(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_file(source, b"new")
    assert source.read_text() == "some content"
    assert list(source.parent.glob("*.part")) == []


def test_labels_are_kept_apart(source: Path) -> None:
    decode = Decoder()
    for labels in ("1=happy,2=sad", "1=sad,2=happy", "1=happy,2=sad"):
        cache.load_or_decode(source, decode, ReadOptions(labels=labels))
    assert decode.calls == 2
