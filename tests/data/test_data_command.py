import json
from pathlib import Path

import pytest
from PIL import Image

from fer_tune.common.errors import UserError
from fer_tune.data.__main__ import main
from fer_tune.data.audit import audit_splits
from fer_tune.data.demo.demo_splits import draw_demo_splits
from tests.data.held import drawn_faces, write_csv


def test_the_table_the_findings_and_the_plots_are_complete(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--out", "pictures"])
    output = capsys.readouterr().out
    table = output.partition("\n\n")[0]  # sentences are whole lines, as in every log
    assert max(map(len, table.splitlines())) <= 80
    for text in ("disgust", "Leak from train to test", "conflicting labels", "demo faces"):
        assert text in output
    for name in ("class-distribution.png", "random-faces.png", "near-duplicates.png"):
        assert f"pictures/{name}" in output
        with Image.open(Path("pictures", name)) as picture:
            assert min(picture.size) > 400


def test_a_data_plan_is_drawn_when_named() -> None:
    main(["--out", "pictures", "--plan", "sqrt_sampler"])
    assert {path.name for path in Path("pictures").iterdir()} == {
        "class-distribution.png",
        "random-faces.png",
        "plan-sqrt_sampler.png",
        "near-duplicates.png",
    }


def test_without_near_duplicates_there_is_no_picture_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_csv(drawn_faces(), Path())  # noise
    main(["fer2013.csv", "--out", "pictures"])
    assert "near-duplicates.png" not in capsys.readouterr().out
    assert not Path("pictures/near-duplicates.png").exists()


def test_a_program_is_given_the_same_figures_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--out", "pictures"])
    output = json.loads(capsys.readouterr().out)
    audit = audit_splits(draw_demo_splits())
    assert output["source"] == "demo faces"
    for name, counts in audit.counts.items():
        assert list(output["counts"][name].values()) == counts.tolist()
        assert list(output["counts"][name]) == list(audit.classes)
    assert output["blank"] == audit.blank
    assert [leak["faces"] for leak in output["leaks"]] == [leak.faces for leak in audit.leaks]
    near = [leak.faces for leak in audit.near_leaks]
    assert [leak["faces"] for leak in output["near_leaks"]] == near
    assert [pair["bits"] for pair in output["near_pairs"]] == [p.bits for p in audit.near_pairs]
    assert all(Path(picture).exists() for picture in output["pictures"])


def test_bad_input_leaves_nothing_written() -> None:
    with pytest.raises(UserError):
        main(["missing.csv"])
    assert list(Path.cwd().iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_error() -> None:
    Path("taken").touch()
    with pytest.raises(UserError, match="taken cannot be written"):
        main(["--out", "taken"])


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("...csv", "faces"),
        ("a b$x^$ [red].csv", "a-b-x-red"),
        ("\x1b[2J.csv", "x1b-2J"),
        ("顔.csv", "顔"),
    ],
)
def test_the_pictures_stay_in_their_folder_whatever_the_faces_are_called(
    name: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{n % 2},{' '.join([str(n)] * 2304)}\n" for n in range(12)]
    Path(name).write_text("emotion,pixels\n" + "".join(rows))
    main([name])
    output = capsys.readouterr().out
    assert "\x1b" not in output
    (written,) = Path("mlruns", "data").iterdir()
    assert written.name == folder


def test_labels_name_the_classes_that_are_audited(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{1 + f.label},{f.pixels},{f.usage}\n" for f in drawn_faces() if f.label < 2]
    Path("raf.csv").write_text("label,pixels,split\n" + "".join(rows))
    main(["raf.csv", "--labels", "1=surprise,2=own name", "--json", "--out", "pictures"])
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts["train"] == {"surprise": 6, "own name": 6}
