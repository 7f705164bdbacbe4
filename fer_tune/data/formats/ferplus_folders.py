"""The layout of FER+: folders of images, each with a label.csv of people's votes."""

import csv
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS, SplitName
from fer_tune.data.formats.class_and_split_names import match_split
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.image_file import SUFFIXES
from fer_tune.data.formats.image_folders import add_image
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile
from fer_tune.data.formats.vote_table import VoteTable, parse_rows

# The columns of label.csv, which has no header (Barsoum et al. 2016).
_HEADER = (
    *("image", "box", "neutral", "happiness", "surprise", "sadness", "anger"),
    *("disgust", "fear", "contempt", "unknown", "NF"),
)
_MAX_LINE_BYTES = 1000


def is_label_file(file: OpenableFile) -> bool:
    """Return whether a file is a label.csv of FER+, not another list of that name.

    The first row decides: it names an image, and has a value for each column.
    """
    if file.path.name.casefold() != "label.csv":
        return False
    try:
        with file.open() as content:
            line = content.readline(_MAX_LINE_BYTES).decode("utf-8-sig")
        (row,) = csv.reader([line])
    except (*READ_ERRORS, csv.Error):
        return False
    return len(row) == len(_HEADER) and PurePath(row[0]).suffix.lower() in SUFFIXES


def read_ferplus(files: Sequence[OpenableFile], collector: FaceCollector) -> None:
    """Read every image with votes into the collector; its label is the class with the most votes.

    If several classes have the most votes, the first in FER2013's order is the label. Images are
    left out, and counted, if most people saw an unknown expression or no face.

    files: the images, and each label.csv.
    Raises UserError if the user names other votes, or if a label.csv is damaged.
    """
    if collector.vote_table:
        problem = f"{collector.source} has votes of its own (label.csv)"
        raise UserError(f"{problem}; leave out --votes")
    rows = {
        file.path.parent / row[0]: (place, row)
        for file in files
        if file.suffix == ".csv"
        for place, row in _read_label_file(file)
    }
    table = VoteTable("label.csv", _HEADER, list(rows.values()))
    collector.vote_table, collector.row_counts = table, [len(rows)]
    positions = {path: position for position, path in enumerate(rows)}
    labels = _choose_labels(table)
    left_out = 0
    for file in files:
        position = positions.pop(file.path, None)
        if position is None:
            if file.suffix != ".csv":
                collector.add_bad_face(str(file.path), "label.csv has no row for it")
        elif labels[position]:
            names = reversed(file.path.parts[:-1])
            split: SplitName | None = next(filter(None, map(match_split, names)), None)
            add_image(file, split, labels[position], collector, position)
        else:
            left_out += 1
    if left_out:
        reason = "most people saw an unknown expression or no face"
        collector.notes[f"faces left out, since {reason}: {left_out:,}"] = None
    if positions:
        note = f"rows of label.csv without an image: {len(positions):,} (first: {min(positions)})"
        collector.notes[note] = None


def _choose_labels(table: VoteTable) -> list[str]:
    """Return the class of each row; empty for a face to leave out."""
    votes = np.stack([table.count_votes(name) for name in EMOTIONS], axis=1)
    no_expression = table.count_votes("unknown", "nf")
    total = votes.sum(1) + no_expression + table.count_votes("contempt")
    is_face = (votes.sum(1) > 0) & (2 * no_expression <= total)
    return [EMOTIONS[own.argmax()] if has else "" for own, has in zip(votes, is_face, strict=True)]


def _read_label_file(file: OpenableFile) -> list[tuple[str, list[str]]]:
    """Return the rows, each with its place. Raises UserError if the file cannot be read."""
    try:
        with file.open() as content:
            return parse_rows(content.read(), str(file.path))
    except (*READ_ERRORS, csv.Error) as error:
        raise UserError(f"{file.path} cannot be read: {error}") from None
