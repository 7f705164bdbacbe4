"""Trials of other studies with which a study starts (warm start)."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fer_tune.study.search_space.parameters import Point, StrictModel
from fer_tune.study.search_space.space import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class PriorTrial(StrictModel):
    """A trial of another study, which Optuna gets before the study's own trials.

    study, number: the other study, and the trial's number in it.
    point: its parameters in the space of the new study.
    epochs: the number of epochs that it ran.
    is_whole: whether `epochs` is the full length of a trial of the new study.
    best, gap: the metric and the gap in its best epoch.
    last: the metric in its last epoch.
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
        """Return the trial for Optuna; a shorter trial is pruned."""
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
