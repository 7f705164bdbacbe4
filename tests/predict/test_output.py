import csv
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from fer_tune.common.console import create_console
from fer_tune.predict.extract_faces import FaceBox, PhotoFace, UnreadableFile
from fer_tune.predict.output import build_table, format_csv, format_json

IMAGE = np.zeros((48, 48), np.uint8)
FACES = [
    PhotoFace("a.jpg", IMAGE, "found", FaceBox(10, 20, 300)),
    PhotoFace("a.jpg", IMAGE, "found", FaceBox(500, 20, 250)),
    PhotoFace("crop.png", IMAGE, "small square"),
    PhotoFace("wall.png", IMAGE, "no face found"),
]
SEEN = pd.DataFrame({"angry": [0.7, 0.1, 1 / 3, 0.2], "happy": [0.3, 0.9, 2 / 3, 0.8]})


def print_lines(faces: list[PhotoFace], width: int = 80, **how: Any) -> list[str]:
    plain = Console(width=width, **how)
    plain.render_str = create_console().render_str  # type: ignore[method-assign]
    with plain.capture() as capture:
        plain.print(build_table(faces, SEEN[: len(faces)]))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_table_has_a_row_for_each_face_with_its_box() -> None:
    _, *rows = print_lines(FACES)
    assert [row.split() for row in rows] == [
        ["a.jpg", "10,", "20,", "300", "angry", "0.70"],
        ["a.jpg", "500,", "20,", "250", "happy", "0.90"],
        ["crop.png", "whole", "image", "happy", "0.67"],
        ["wall.png", "none", "found,", "whole", "image", "happy", "0.80"],
    ]


def test_a_long_name_is_folded_not_cut_off() -> None:
    name = "photographs/" + "of-a-long-day/" * 9 + "face.png"
    lines = print_lines([PhotoFace(name, IMAGE, "no face found")])
    assert max(map(len, lines)) <= 80
    assert "".join(line[:32].split(" ")[0] for line in lines[1:]) == name


def test_a_name_neither_breaks_its_row_nor_moves_a_cursor() -> None:
    _, row = print_lines([PhotoFace("a\n\x1b[2J.png", IMAGE, "no face found")])
    assert row.startswith("a\\n\\x1b[2J.png ")


def test_json_has_every_probability_and_what_cannot_be_read() -> None:
    result = json.loads(
        format_json("models:/m-1", FACES, SEEN, [UnreadableFile("b.jpg", "the file is empty")])
    )
    assert result["model"] == "models:/m-1"
    assert result["unread"] == [{"file": "b.jpg", "why": "the file is empty"}]
    first, _, _, last = result["faces"]
    assert first == {
        "file": "a.jpg",
        "taken": "found",
        "box": {"x": 10, "y": 20, "side": 300},
        "expression": "angry",
        "probabilities": {"angry": 0.7, "happy": 0.3},
    }
    assert (last["taken"], last["box"]) == ("no face found", None)


def test_csv_has_a_line_for_each_face_and_a_column_for_each_class() -> None:
    text = format_csv(FACES, SEEN)
    assert text.splitlines()[2:4] == [
        "a.jpg,found,500,20,250,happy,0.1,0.9",
        "crop.png,small square,,,,happy,0.333333,0.666667",
    ]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == ["a.jpg", "a.jpg", "crop.png", "wall.png"]
    assert [row["expression"] for row in rows] == ["angry", "happy", "happy", "happy"]
    assert (rows[1]["x"], rows[1]["y"], rows[1]["side"]) == ("500", "20", "250")
    assert rows[3]["x"] == ""
    assert [float(row["angry"]) for row in rows] == pytest.approx(SEEN["angry"], abs=1e-6)


def test_an_expression_that_is_not_likely_enough_is_called_unsure_everywhere() -> None:
    expected = ["angry", "happy", "unsure", "happy"]
    lines = build_table(FACES, SEEN, 0.7).columns[2]._cells
    assert list(lines) == expected
    rows = csv.DictReader(io.StringIO(format_csv(FACES, SEEN, 0.7)))
    assert [row["expression"] for row in rows] == expected
    faces = json.loads(format_json("m", FACES, SEEN, [], 0.7))["faces"]
    assert [face["expression"] for face in faces] == expected
    assert faces[2]["probabilities"]["happy"] == pytest.approx(2 / 3, abs=1e-6)


@pytest.mark.parametrize("name", ["a\nb.png", 'a,"b".png', "a\udcff.png", "\x1b[2J.png"])
def test_names_that_hold_anything_are_written_so_that_they_can_be_read(name: str) -> None:
    faces = [PhotoFace(name, IMAGE, "no face found")]
    assert json.loads(format_json("m", faces, SEEN[:1], []))["faces"][0]["file"] == name
    text = format_csv(faces, SEEN[:1])
    text.encode()
    _, row = csv.reader(io.StringIO(text))
    assert "png" in row[0]
