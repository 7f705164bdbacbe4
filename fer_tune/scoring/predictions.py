"""What a model said about each test face, kept so that nobody has to ask again; no torch."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fer_tune.scoring.metrics import Scores


@dataclass(frozen=True, eq=False)
class Predictions:
    """Each face's class, and what was said of it; faces in the order of their split.

    truth, predicted: (N,) int64.
    probability: (N,) float64, that the model gave what it predicted.
    flip_predicted, flip_probability: the same where the model's probabilities of the face and of
        its mirror image are averaged.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]
    flip_predicted: NDArray[np.int64]
    flip_probability: NDArray[np.float64]

    @classmethod
    def from_probabilities(
        cls,
        truth: NDArray[np.int64],  # (N,)
        probabilities: NDArray[np.float64],  # (N, C) probabilities
        flip_probabilities: NDArray[np.float64],  # (N, C), of the mirror images
    ) -> Self:
        """What these probabilities say."""
        mean = (probabilities + flip_probabilities) / 2
        return cls(
            truth, probabilities.argmax(1), probabilities.max(1), mean.argmax(1), mean.max(1)
        )

    def score_with_tta(self, classes: int) -> Scores:
        """The scores with flip averaging; their loss is not known."""
        return Scores(
            float("nan"), build_confusion_matrix(self.truth, self.flip_predicted, classes)
        )

    def measure_accuracy(self, mask: NDArray[np.bool_]) -> float:
        """Over the faces that `of`, (N,), marks; NaN where it marks none."""
        right = self.predicted[mask] == self.truth[mask]
        return float(right.mean()) if len(right) else float("nan")

    def to_csv(self, classes: Sequence[str]) -> str:
        """A line a face, with the names of the classes."""
        import pandas as pd

        names = np.array(classes, dtype=object)
        table = pd.DataFrame(
            {
                "truth": names[self.truth],
                "prediction": names[self.predicted],
                "probability": self.probability,
                "flip_prediction": names[self.flip_predicted],
                "flip_probability": self.flip_probability,
            }
        )
        return str(table.to_csv(index_label="row", lineterminator="\n", float_format="%.6f"))

    @classmethod
    def from_csv(cls, text: str, classes: Sequence[str]) -> Self:
        """What `format_csv` wrote. Raises ValueError where it is something else."""
        import pandas as pd

        # A class may be called "nan", or "007".
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
        index = {name: label for label, name in enumerate(classes)}

        def labels(column: str) -> NDArray[np.int64]:
            return np.array([index[name] for name in table[column]], dtype=np.int64)

        try:
            return cls(
                labels("truth"),
                labels("prediction"),
                table["probability"].to_numpy(dtype=np.float64),
                labels("flip_prediction"),
                table["flip_probability"].to_numpy(dtype=np.float64),
            )
        except KeyError as error:
            raise ValueError(f"no predictions of these classes: {error}") from error


def build_confusion_matrix(
    truth: NDArray[np.int64],  # (N,)
    predicted: NDArray[np.int64],  # (N,)
    classes: int,
) -> NDArray[np.int64]:  # (classes, classes)
    """Counts; rows are true classes, columns predicted ones."""
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)
