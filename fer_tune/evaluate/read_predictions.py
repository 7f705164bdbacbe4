"""Predictions of another program, from a CSV file."""

import io
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.safe_text import join_first, pluralize
from fer_tune.data.faces import Faces
from fer_tune.data.formats.class_and_split_names import normalize_class
from fer_tune.data.formats.label_coding import decode_labels
from fer_tune.data.read_options import normalize_label
from fer_tune.scoring.predictions import Predictions

_NAME_COLUMNS = ("face", "file", "filename", "file_name", "image", "path", "name")
_ROW_COLUMN = "row"
_ROW_MARK = ", row "  # in the names of a table's faces
_CLASS_COLUMNS = ("prediction", "predicted", "class", "label", "emotion", "expression", "target")
_PROBABILITY_START = re.compile("^(probability|prob|p)[_ ]", re.IGNORECASE)
_TOLERANCE = 0.02  # of the sum of a row's probabilities, which are rounded


def read_predictions(
    path: Path,
    faces: Faces,
    known: Sequence[str],
    classes: Sequence[str],
    labels: Mapping[str, str],
) -> Predictions:
    """Return the predictions for these faces, in their order.

    known: names of all faces of the data set; rows for other splits are not used.
    classes: class names by label.
    labels: class names of `--labels`, by label.

    Raises UserError for missing faces, unknown names and unknown classes.
    """
    table = _read_table(path)
    rows = _find_rows(table, path, faces.names.tolist(), known)
    used = table.iloc[rows].reset_index(drop=True)
    columns = {normalize_class(_PROBABILITY_START.sub("", name)): name for name in used.columns}
    by_class = [columns[key] for key in map(normalize_class, classes) if key in columns]
    if len(by_class) == len(classes):
        probabilities = _parse_probabilities(used[by_class], path, rows)
        return Predictions.from_probabilities(faces.labels, probabilities, names=faces.names)
    column = next((name for name in _CLASS_COLUMNS if name in used), None)
    if column is None:
        problem = f"{path}: no column of classes; call it prediction"
        advice = f"or give a column for each class ({join_first(classes)}) with its probability"
        raise UserError(f"{problem}, {advice}")
    predicted = _parse_classes(used[column].tolist(), path, column, classes, labels)
    return Predictions(faces.labels, predicted, np.full(len(faces), np.nan), names=faces.names)


def _read_table(path: Path) -> pd.DataFrame:
    with explain_os_errors(f"{path} cannot be read", "name a CSV file with --predictions"):
        content = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            text = io.StringIO(content.decode("utf-8-sig"))
            table = pd.read_csv(text, dtype=str, keep_default_na=False, index_col=False)
    except (ValueError, pd.errors.ParserWarning) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a CSV of predictions ({reason})") from None
    # pandas writes an index without a name.
    names = [str(name).strip().casefold() for name in table.columns]
    table.columns = ["row" if name == "unnamed: 0" else name for name in names]
    if not len(table) or not table.columns.is_unique:
        problem = "two columns of one name" if len(table) else "no rows"
        raise UserError(f"{path} is not a CSV of predictions (it has {problem})")
    return table.fillna("")


def _find_rows(
    table: pd.DataFrame, path: Path, wanted: Sequence[str], known: Sequence[str]
) -> list[int]:
    """Return the position in the table of each wanted face."""
    column = next((each for each in (*_NAME_COLUMNS, _ROW_COLUMN) if each in table), None)
    tables = {name.rpartition(_ROW_MARK)[0] for name in known}
    if column is None or (column == _ROW_COLUMN and (len(tables) > 1 or "" in tables)):
        problem = f"{path}: no column that names the faces"
        raise UserError(f"{problem}; call it file, with names such as {known[0]!r}")
    start = f"{tables.pop()}{_ROW_MARK}" if column == _ROW_COLUMN else ""
    names, by_file_name = set(known), _index_file_names(known)
    found = [
        _find_name(f"{start}{normalize_label(value) if start else value}", names, by_file_name)
        for value in table[column]
    ]
    if None in found:
        index = found.index(None)
        problem = f"{path}, row {index + 2}: the data has no face {table[column].iloc[index]!r}"
        raise UserError(f"{problem}; the name of its first face is {known[0]!r}")
    rows = {name: index for index, name in enumerate(found)}
    if len(rows) < len(found):
        name = Counter(found).most_common(1)[0][0]
        raise UserError(f"{path} has several predictions for {name}; delete all but one")
    if missing := [name for name in wanted if name not in rows]:
        problem = f"{path} lacks {pluralize(len(missing), 'face')} ({join_first(missing, 3)})"
        raise UserError(f"{problem}; add them, or name the split that it predicts with --split")
    return [rows[name] for name in wanted]


def _index_file_names(known: Sequence[str]) -> dict[str, str]:
    """Return the names of faces by their file names, if no other face has the same."""
    short = [PurePosixPath(name).name for name in known]
    counts = Counter(short)
    return {own: name for own, name in zip(short, known, strict=True) if counts[own] == 1}


def _find_name(text: str, known: set[str], by_file_name: Mapping[str, str]) -> str | None:
    """Return the name of the face that a text means; None if there is none, or if several fit.

    A path may begin with folders around the data set. A file name alone must be unique.
    """
    parts = text.strip().replace("\\", "/").split("/")
    if len(parts) == 1 and parts[0] not in known:
        return by_file_name.get(parts[0])
    paths = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((path for path in paths if path in known), None)


def _parse_probabilities(
    table: pd.DataFrame, path: Path, rows: Sequence[int]
) -> NDArray[np.float64]:  # (N, C)
    try:
        values = table.to_numpy(dtype=np.float64)
    except ValueError as error:
        raise UserError(f"{path}: a probability is no number ({error})") from None
    sums = values.sum(axis=1)
    # Their sum may be below 1: other classes are left out.
    is_good = (values >= 0).all(axis=1) & (sums > 0) & (sums < 1 + _TOLERANCE)
    if not is_good.all():
        index = int(is_good.argmin())
        numbers = ", ".join(f"{value:g}" for value in values[index])
        problem = f"{numbers} are not the probabilities of classes, which add up to 1"
        raise UserError(f"{path}, row {rows[index] + 2}: {problem}; apply softmax first")
    return np.asarray(values / sums[:, None], dtype=np.float64)


def _parse_classes(
    values: Sequence[str], path: Path, name: str, classes: Sequence[str], labels: Mapping[str, str]
) -> NDArray[np.int64]:  # (N,)
    words = list(map(normalize_label, values))
    names = decode_labels(Counter(words), labels, f"{path}, column {name}")
    index = {normalize_class(each): label for label, each in enumerate(classes)}
    predicted = np.array([index.get(normalize_class(names.get(word, "")), -1) for word in words])
    if predicted.min() < 0:
        raise UserError(
            f"{path}, column {name}: {words[predicted.argmin()]!r} is none of the classes that are "
            f"compared ({join_first(classes, 10)}); give the probabilities of these instead"
        )
    return predicted
