"""Data plans: how the training faces of a trial are drawn."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_tune.data.faces import Faces

PlanName = Literal["original", "balanced", "oversampled", "sqrt_sampler"]
PLAN_NAMES: tuple[PlanName, ...] = get_args(PlanName)


@dataclass(frozen=True, eq=False)
class Drawing:
    """What one data plan lets a trial train on.

    faces: originals, and with some plans augmented copies of them.
    weights: (N,) float64 chances of a face to be drawn, summing to 1; None where an epoch sees
        each face once.
    """

    faces: Faces
    weights: NDArray[np.float64] | None = None
