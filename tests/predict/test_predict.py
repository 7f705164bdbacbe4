import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig
from fer_tune.predict.__main__ import main
from fer_tune.tracking.models.log_model import load_model, log_model
from fer_tune.tracking.store import open_store

CONFIG = ModelConfig(depth=2, width=4, hidden_1=16, hidden_2=8)
HOPPER = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a store, a model in it, and three faces."""
    folder = tmp_path_factory.mktemp("predict")
    store = open_store(str(folder / "mlruns"))
    torch.manual_seed(0)
    run_id = store.client.create_run(store.experiment_id).info.run_id
    log_model(store, run_id, FaceClassifier([FerNet(CONFIG, len(EMOTIONS))]), EMOTIONS)
    (folder / "faces").mkdir()
    for n, face in enumerate(PIXELS):
        Image.fromarray(face).save(folder / "faces" / f"{n}.png")
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def printed(capsys: pytest.CaptureFixture[str], typed: Sequence[str]) -> str:
    main(typed)
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_what_the_model_says_of_each_face_is_printed_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = json.loads(printed(capsys, ["faces", str(HOPPER), "--json"]))
    store = open_store(create=False)
    expected = load_model(store, result["model"]).predict(PIXELS)
    assert isinstance(expected, pd.DataFrame)
    assert [face["file"] for face in result["faces"][:3]] == [f"faces/{n}.png" for n in range(3)]
    assert [face["taken"] for face in result["faces"]] == ["small square"] * 3 + ["found"]
    for face, row in zip(result["faces"], expected.to_dict("records"), strict=False):
        assert face["probabilities"] == pytest.approx(row, abs=1e-5)
        assert face["expression"] == max(row, key=row.__getitem__)


def test_table_csv_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    faces = json.loads(printed(capsys, ["faces", "--json"]))["faces"]
    rows = list(csv.DictReader(io.StringIO(printed(capsys, ["faces", "--csv"]))))
    table = printed(capsys, ["faces"]).splitlines()
    said = [face["expression"] for face in faces]
    assert [row["expression"] for row in rows] == said
    assert [line.split()[-2] for line in table[1:4]] == said
    assert table[4].startswith("Model: models:/m-")


def test_a_long_name_stays_in_one_line_of_a_log(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = place / "holidays of the whole family" / ("seaside " * 12) / "first.png"
    long.parent.mkdir(parents=True)
    long.write_bytes((place / "faces/0.png").read_bytes())
    assert str(long) in printed(capsys, [str(long)])


def test_a_model_is_named_by_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    uri = json.loads(printed(capsys, ["faces", "--json"]))["model"]
    assert json.loads(printed(capsys, ["faces", "--json", "--model", uri]))["model"] == uri
    with pytest.raises(UserError, match="models:/no-such@champion"):
        main(["faces", "--model", "models:/no-such@champion"])


def test_unreadable_files_are_listed_at_the_end_and_stop_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("broken.jpg").write_bytes(b"\xff\xd8 no more")
    with pytest.raises(UserError) as caught:
        main(["missing.png", "faces/0.png", "broken.jpg", "faces/1.png", "--json"])
    _, *each = str(caught.value).splitlines()
    assert [line.split(":")[0].strip() for line in each] == ["missing.png", "broken.jpg"]
    result = json.loads(capsys.readouterr().out)
    assert [face["file"] for face in result["faces"]] == ["faces/0.png", "faces/1.png"]
    assert [each["file"] for each in result["unread"]] == ["missing.png", "broken.jpg"]


def test_without_readable_files_no_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"missing.png: there is no such file"):
        main(["missing.png"])
    assert capsys.readouterr().out == ""


def test_without_a_model_it_says_how_to_get_one(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(UserError, match="search"):
        main([str(place / "faces")])
    assert list(empty.iterdir()) == []


def test_files_that_are_no_images_are_noted_beside_the_answer(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "noted").mkdir()
    (place / "noted" / "0.png").symlink_to(place / "faces" / "0.png")
    (place / "noted" / "1.heic").touch()
    main(["noted", "--json"])
    captured = capsys.readouterr()
    assert [face["file"] for face in json.loads(captured.out)["faces"]] == ["noted/0.png"]
    assert captured.err.splitlines() == [
        "noted: files skipped: 1 .heic (first: 1.heic)",
    ]
