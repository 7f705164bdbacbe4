"""Trials of other studies with which a study starts (warm start)."""

from typing import Annotated

from pydantic import Field

from fer_tune.study.search_space.parameters import Point, StrictModel

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class PriorTrial(StrictModel):
    """A trial of another study, which Optuna gets before the study's own trials.

    study, number: the trial's own study, and its number in that study.
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
