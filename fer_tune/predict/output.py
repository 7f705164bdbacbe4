"""Predictions as a table for people, and as JSON and CSV for programs."""

import json
from collections.abc import Sequence

import pandas as pd
from rich.table import Table

from fer_tune.common.safe_text import escape_unprintable
from fer_tune.predict.extract_faces import PhotoFace, UnreadableFile
from fer_tune.terminal.formatting import build_borderless_table

UNSURE = "unsure"  # instead of an expression that is not likely enough
_WHOLE_IMAGE = {"small square": "whole image", "no face found": "none found, whole image"}


def name_expressions(probabilities: pd.DataFrame, at_least: float) -> "pd.Series[str]":
    """Return the most likely class of each face, or "unsure" if it is less likely than `at_least`.

    probabilities: (N, classes), with the class names as columns.
    """
    return probabilities.idxmax(axis=1).where(probabilities.max(axis=1) >= at_least, UNSURE)


def build_table(
    faces: Sequence[PhotoFace], probabilities: pd.DataFrame, at_least: float = 0
) -> Table:
    """Return a table with a row a face: file, box and expression.

    probabilities, at_least: see `name_expressions`; so in the functions below.
    """
    classes, highest = name_expressions(probabilities, at_least), probabilities.max(axis=1)
    rows = []
    for face, name, probability in zip(faces, classes, highest, strict=True):
        box = ", ".join(map(str, face.box)) if face.box else _WHOLE_IMAGE[face.origin]
        rows.append((escape_unprintable(face.file), box, str(name), f"{probability:.2f}"))
    headers = ("file", "face at x, y, side", "expression", "probability")
    table = build_borderless_table(headers, rows, optional=[1])
    table.columns[1].justify = table.columns[2].justify = "left"
    return table


def format_json(
    model: str,
    faces: Sequence[PhotoFace],
    probabilities: pd.DataFrame,
    unreadable: Sequence[UnreadableFile],
    at_least: float = 0,
) -> str:
    """Return one JSON object: the model's URI, the faces in order, the files not read."""
    expressions = name_expressions(probabilities, at_least)
    rows = probabilities.round(6).to_dict("records")
    listed = [
        {
            "file": face.file,
            "taken": face.origin,
            "box": face.box and face.box._asdict(),
            "expression": name,
            "probabilities": row,
        }
        for face, name, row in zip(faces, expressions, rows, strict=True)
    ]
    content = {"model": model, "faces": listed, "unread": [file._asdict() for file in unreadable]}
    return json.dumps(content, indent=2) + "\n"


def format_csv(faces: Sequence[PhotoFace], probabilities: pd.DataFrame, at_least: float = 0) -> str:
    """Return a CSV with a line a face; the last columns are the probabilities by class."""
    table = pd.DataFrame([face.box or ("", "", "") for face in faces], columns=["x", "y", "side"])
    table.insert(0, "file", [escape_unprintable(face.file) for face in faces])
    table.insert(1, "taken", [face.origin for face in faces])
    table["expression"] = name_expressions(probabilities, at_least)
    table = pd.concat([table, probabilities.round(6)], axis=1)
    return table.to_csv(index=False, lineterminator="\n")
