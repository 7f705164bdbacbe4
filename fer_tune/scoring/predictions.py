"""The predictions of a model for each test face, stored so that later comparisons reuse them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

# Columns of the CSV, in the order of the fields; those of TTA are last.
_COLUMNS = ("truth", "prediction", "probability", "flip_prediction", "flip_probability")
_NAME_COLUMN = "face"
_CLASS_PREFIX = "probability_"  # before the class, in the columns of the probabilities of a class


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions for the faces of a split, in the order of the split.

    truth: (N,) int64, true classes.
    predicted: (N,) int64, predicted classes.
    probability: (N,) float64, the model's probability of the predicted class; NaN if unknown.
    flip_predicted, flip_probability: the same with test-time augmentation (TTA): probabilities of
        the face and of its mirror image are averaged. None if TTA was not tried.
    names: (N,) text, see `Faces.names`; None in older files.
    probabilities: (N, C) float64, of all classes; None in older files.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]
    flip_predicted: NDArray[np.int64] | None = None
    flip_probability: NDArray[np.float64] | None = None
    names: NDArray[np.str_] | None = None
    probabilities: NDArray[np.float64] | None = None

    @classmethod
    def from_probabilities(
        cls,
        truth: NDArray[np.int64],  # (N,)
        plain: NDArray[np.float64],  # (N, C) probabilities
        flipped: NDArray[np.float64] | None = None,  # (N, C), of the mirror images
        names: NDArray[np.str_] | None = None,  # (N,)
    ) -> Self:
        """Return the most likely classes."""
        predicted, probability = plain.argmax(1), plain.max(1)
        if flipped is None:
            return cls(truth, predicted, probability, None, None, names, plain)
        mean = (plain + flipped) / 2
        return cls(truth, predicted, probability, mean.argmax(1), mean.max(1), names, plain)

    def take(self, index: NDArray[np.int64]) -> Self:
        """Return the predictions at `index`, (M,) int64, in that order."""
        return replace(self, **{k: v[index] for k, v in vars(self).items() if v is not None})

    def to_csv(self, classes: Sequence[str]) -> str:
        """Return a CSV with a line a face; classes are written by name."""
        import pandas as pd

        table, class_names = pd.DataFrame(), np.array(classes, dtype=object)
        for column, field in zip(_COLUMNS, fields(self), strict=False):
            values = getattr(self, field.name)
            if values is not None:
                table[column] = values if values.dtype.kind == "f" else class_names[values]
        if self.names is not None:
            table[_NAME_COLUMN] = self.names
        if self.probabilities is not None:
            table[[f"{_CLASS_PREFIX}{name}" for name in classes]] = self.probabilities
        return str(table.to_csv(index_label="row", lineterminator="\n", float_format="%.6g"))

    @classmethod
    def from_csv(cls, text: str, classes: Sequence[str]) -> Self:
        """Return the predictions in a CSV of `to_csv`. Raises ValueError for any other text."""
        import pandas as pd

        # Without guessing: a class may be called "nan", or "007".
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
        index = {name: label for label, name in enumerate(classes)}

        def parse_column(name: str) -> NDArray[Any]:
            if name.endswith("probability"):
                return table[name].to_numpy(dtype=np.float64)
            return np.array([index[class_name] for class_name in table[name]], dtype=np.int64)

        columns = {}
        try:
            for name, field in zip(_COLUMNS, fields(cls), strict=False):
                if name in table or not name.startswith("flip_"):
                    columns[field.name] = parse_column(name)
        except KeyError as error:
            raise ValueError(f"no predictions of these classes: {error}") from error
        if _NAME_COLUMN in table:
            columns["names"] = table[_NAME_COLUMN].to_numpy(dtype=np.str_)
        by_class = [f"{_CLASS_PREFIX}{name}" for name in classes]
        if set(by_class) <= set(table.columns):
            columns["probabilities"] = table[by_class].to_numpy(dtype=np.float64)
        return cls(**columns)
