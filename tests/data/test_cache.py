import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_tune.common import atomic
from fer_tune.data import cache
from fer_tune.data.faces import SPLIT_NAMES, Faces, Splits
from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.read_options import DEFAULT_OPTIONS, ReadOptions


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


def test_faces_that_an_earlier_version_decoded_are_decoded_anew(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Decoder()
    with monkeypatch.context() as earlier:
        earlier.setattr(cache, "_DECODER_VERSION", 3)
        cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert decode.calls == 2


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


def test_the_rule_of_the_splits_does_not_decode_again(source: Path) -> None:
    decode = Decoder()
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    cache.load_or_decode(source, decode, ReadOptions(split_rule="exact"))
    assert decode.calls == 1


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


def test_pruning_deletes_only_what_the_cache_wrote_also_unfinished_files(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MAX_DATA_SETS", 0)
    cache.locate_cache_folder().mkdir()
    others = {"mine.npz", "notes.key", "a.part", "photo.png", f"{'1' * 64}.npz"}
    for name in (*others, "decoded-faces-0.npz.12-abcd.part"):
        (cache.locate_cache_folder() / name).touch()
        os.utime(cache.locate_cache_folder() / name, (0, 0))
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


@pytest.fixture
def grouped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of faces of each call that groups near-duplicates."""
    calls = list[int]()

    def group(images: NDArray[np.uint8]) -> NDArray[np.int64]:
        calls.append(len(images))
        return np.arange(len(images))

    monkeypatch.setattr(cache, "group_near_duplicates", group)
    return calls


def test_near_duplicates_are_grouped_once(grouped: list[int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 48, 48), dtype=np.uint8)
    for _ in range(2):
        assert cache.load_or_group(images).tolist() == list(range(6))
    cache.load_or_group(images[:5])
    assert grouped == [6, 5]


def test_damaged_groups_are_computed_again(grouped: list[int]) -> None:
    images = np.zeros((6, 48, 48), np.uint8)
    cache.load_or_group(images)
    (file,) = cache.locate_cache_folder().iterdir()
    file.write_bytes(file.read_bytes()[:-30])
    for _ in range(2):
        assert cache.load_or_group(images).tolist() == list(range(6))
    assert grouped == [6, 6]


def test_groups_of_few_data_sets_are_kept_and_delete_no_faces(
    source: Path, grouped: list[int]
) -> None:
    decode = Decoder()
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    for number in range(1, 9):
        cache.load_or_group(np.zeros((number, 48, 48), np.uint8))
    cache.load_or_decode(source, decode, DEFAULT_OPTIONS)
    assert len(list(cache.locate_cache_folder().iterdir())) == 6
    assert (decode.calls, len(grouped)) == (1, 8)


@pytest.mark.usefixtures("grouped")
def test_groups_need_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FER_TUNE_CACHE", str(tmp_path / "file" / "below"))
    assert cache.load_or_group(np.zeros((3, 48, 48), np.uint8)).tolist() == [0, 1, 2]
