import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.suspects import find_suspects
from fer_tune.suspects.__main__ import main
from fer_tune.suspects.find_suspects import rank_suspects
from tests.data.held import drawn_faces, write_csv

SHORT = ["--folds", "2", "--epochs", "1"]


def read_list(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_faces_are_ranked_by_the_margin_of_their_label() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.4, 0.4], [0.1, 0.9, 0.0]])
    # The margins are .2, -.5, -.2 and .8.
    assert rank_suspects(probabilities, np.array([0, 1, 0, 1])).tolist() == [1, 2, 0, 3]


def test_the_list_has_every_training_face_and_nothing_else_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_csv(drawn_faces(), Path.cwd())
    main([str(data), *SHORT])
    folder = Path("mlruns", "suspects", "fer2013")
    assert {path.name for path in folder.iterdir()} == {".lock", "suspects.csv", "suspects.png"}
    rows = read_list(folder / "suspects.csv")
    assert {row["face"] for row in rows} == {f"fer2013.csv, row {n}" for n in range(2, 44)}
    assert {row["label"] for row in rows} == set(EMOTIONS)
    with Image.open(folder / "suspects.png") as picture:
        assert min(picture.size) > 400
    output = capsys.readouterr().out
    assert f"List: {folder / 'suspects.csv'}" in output
    assert "fold 2 of 2: epoch 1 of 1" in output


def test_swapped_labels_are_found_more_often_than_by_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    swapped = set(rng.choice(160, 16, replace=False).tolist())
    rows = []
    for number, label in enumerate(labels):
        pixels = rng.integers(0, 120, 2304) + 120 * int(label)
        usage = "Training" if number < 160 else "PublicTest" if number < 180 else "PrivateTest"
        given = 1 - label if number in swapped else label
        rows.append(f"{given},{' '.join(map(str, pixels))},{usage}\n")
    Path("faces.csv").write_text("emotion,pixels,Usage\n" + "".join(rows))
    main(["faces.csv", "--folds", "4", "--epochs", "4", "--out", "out"])
    first = read_list(Path("out", "suspects.csv"))[:16]
    found = {int(row["face"].rpartition(" ")[2]) - 2 for row in first} & swapped
    # By chance, it would be 1.6 of 16.
    assert len(found) >= 8


def test_a_stopped_command_says_how_to_continue_and_writes_no_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    data = write_csv(drawn_faces(), Path.cwd())
    with monkeypatch.context() as patch:
        patch.setattr(find_suspects, "_write_results", stop)
        with pytest.raises(KeyboardInterrupt):
            main([str(data), *SHORT, "--out", "out"])
    assert "The same command continues after the last epoch: " in capsys.readouterr().out
    assert not Path("out", "suspects.csv").exists()
    main([str(data), *SHORT, "--out", "out"])
    assert "epoch" not in capsys.readouterr().out.partition("Faces of each class")[2]
    assert {path.name for path in Path("out").iterdir()} == {
        ".lock",
        "suspects.csv",
        "suspects.png",
    }


def test_a_folder_that_cannot_be_written_is_refused_before_any_training() -> None:
    data = write_csv(drawn_faces(), Path.cwd())
    Path("taken").touch()
    with pytest.raises(UserError, match="taken cannot be written"):
        main([str(data), *SHORT, "--out", "taken"])


def test_a_missing_path_is_refused_and_leaves_nothing_written() -> None:
    with pytest.raises(UserError, match=r"missing.csv does not exist"):
        main(["missing.csv"])
    assert list(Path.cwd().iterdir()) == []


def test_too_many_folds_leave_nothing_but_the_lock() -> None:
    data = write_csv(drawn_faces(), Path.cwd())
    with pytest.raises(UserError, match=r"class angry has 6 distinct .* give --folds 6"):
        main([str(data), "--folds", "7", "--out", "out"])
    assert [path.name for path in Path("out").iterdir()] == [".lock"]
