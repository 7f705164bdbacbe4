"""What a model sees in faces, as a table for people, and as JSON and CSV for programs."""

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fer_tune.common.text import escape_unprintable
from fer_tune.predict.photos import PhotoFace, UnreadableFile
from fer_tune.terminal.formatting import build_plain_table

if TYPE_CHECKING:
    from pandas import DataFrame

_WHOLE_IMAGE_TEXT = {"small square": "the image", "no face found": "none found: the image"}


def build_table(
    faces: Sequence[PhotoFace],
    probabilities: "DataFrame",  # (N, classes), columns by class name
) -> Table:
    """A row for each face: its file, where in it the face is, and the likeliest class."""
    top, most = probabilities.idxmax(axis=1), probabilities.max(axis=1)
    rows = [
        (escape_unprintable(face.file), _format_location(face), str(name), f"{value:.2f}")
        for face, name, value in zip(faces, top, most, strict=True)
    ]
    table = build_plain_table(("file", "face at x, y, side", "expression", "probability"), rows)
    # A name that is cut off names nothing.
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    table.columns[1].justify = table.columns[2].justify = "left"
    return table


def _format_location(face: PhotoFace) -> str:
    return ", ".join(map(str, face.box)) if face.box else _WHOLE_IMAGE_TEXT[face.origin]


def format_json(
    model: str,
    faces: Sequence[PhotoFace],
    probabilities: "DataFrame",
    unread: Sequence[UnreadableFile],
) -> str:
    """One object: the model's address, the faces in order, and the files that cannot be read."""
    seen = [
        {
            "file": face.file,
            "taken": face.origin,
            "box": face.box and face.box._asdict(),
            **row,
        }
        for face, row in zip(faces, _build_rows(probabilities), strict=True)
    ]
    lines = ",\n".join(f"  {json.dumps(each)}" for each in seen)
    head, tail = json.dumps(model), json.dumps([each._asdict() for each in unread])
    return f'{{"model": {head},\n"faces": [\n{lines}\n],\n"unread": {tail}}}\n'


def _build_rows(probabilities: "DataFrame") -> list[dict[str, Any]]:
    return [
        {"expression": max(row, key=row.__getitem__), "probabilities": row}
        for row in probabilities.round(6).to_dict("records")
    ]


def format_csv(faces: Sequence[PhotoFace], probabilities: "DataFrame") -> str:
    """A line for each face; the probabilities are the last columns, named by their classes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    classes = list(probabilities.columns)
    writer.writerow(["file", "taken", "x", "y", "side", "expression", *classes])
    for face, row in zip(faces, _build_rows(probabilities), strict=True):
        box = face.box or ("", "", "")
        values = row["probabilities"].values()
        writer.writerow(
            [escape_unprintable(face.file), face.origin, *box, row["expression"], *values]
        )
    return text.getvalue()
