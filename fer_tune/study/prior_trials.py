"""Trials of other studies that a study starts from."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fer_tune.study.search_space.parameters import Point, StrictModel
from fer_tune.study.search_space.space import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class PriorTrial(StrictModel):
    """One that this study does not run, and that Optuna is told of before all others.

    study, number: whose it is.
    point: the parameters that it has in this study's space.
    epochs: that it ran.
    is_whole: whether that is the full length of a trial of this study.
    best, gap: value of the metric, and the gap, in its best epoch.
    last: value of the metric in its last epoch.
    """

    study: str
    number: int
    point: Point
    epochs: Annotated[int, Field(ge=1)]
    is_whole: bool
    best: FiniteFloat
    gap: FiniteFloat
    last: FiniteFloat

    def to_frozen_trial(self, space: SearchSpace) -> "FrozenTrial":
        """A shorter trial is one that was stopped."""
        from optuna.trial import TrialState, create_trial

        return create_trial(
            state=TrialState.COMPLETE if self.is_whole else TrialState.PRUNED,
            value=self.best if self.is_whole else None,
            params=self.point,
            distributions={name: space.parameters[name].to_distribution() for name in self.point},
            user_attrs={"study": self.study, "trial": self.number},
            intermediate_values={self.epochs: self.last},
            constraints=space.evaluate_constraints(self.gap),
        )
