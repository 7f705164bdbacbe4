"""Where trials come from: Optuna's proposals, numbered, and the rest of their configuration."""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.samplers import TPESampler
from ray.tune.search.optuna import OptunaSearch

from fer_tune.study.record import PAPER_TRIAL, TrialRecord
from fer_tune.study.settings import StudySettings
from fer_tune.study.space import Point
from fer_tune.training.metrics import LOWER_IS_BETTER


class StudySearch(OptunaSearch):  # type: ignore[misc]
    """Ray's OptunaSearch, going on where the trials in `earlier` left the study.

    First it gives the trials that were not ended once more, under their own numbers; then the
    space's first trials that were not reached; then new proposals, made in the knowledge of
    every ended trial.
    """

    def __init__(self, settings: StudySettings, earlier: Sequence[TrialRecord] = ()) -> None:
        space = settings.space
        open_trials = [record for record in earlier if not record.is_over]
        self.left = settings.trials - len(earlier) + len(open_trials)
        self._fixed: Point = space.fixed
        self._resumed = [record.number for record in open_trials]
        self._next = 1 + max((record.number for record in earlier), default=-1)
        names = space.parameters
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # A new seed for every resume, or its first proposals would be those made before.
        super().__init__(
            space.distributions(),
            metric=settings.metric,
            mode="min" if settings.metric in LOWER_IS_BETTER else "max",
            points_to_evaluate=[
                *({name: getattr(each.config, name) for name in names} for each in open_trials),
                *space.points()[self._next :],
            ],
            sampler=TPESampler(seed=settings.seed + self._next),
        )
        for record in earlier:
            if record.is_over:
                self._tell(record, settings.metric)

    def _tell(self, record: TrialRecord, metric: str) -> None:
        last = record.history[-1].metrics[metric] if record.history else 0.0
        self.add_evaluated_point(
            {name: getattr(record.config, name) for name in self._space},
            last,
            error=record.ending == "failed",
        )

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The whole configuration of the next trial and its `number` in the study."""
        proposal: Point = super().suggest(trial_id)
        if self._resumed:
            number = self._resumed.pop(0)
        else:
            number, self._next = self._next, self._next + 1
        fixed = {} if number == PAPER_TRIAL else self._fixed
        return {**fixed, **proposal, "number": number}


def sampled_points(settings: StudySettings, count: int) -> list[Point]:
    """Points that the study's sampler would draw first, had it no first trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=TPESampler(seed=settings.seed))
    distributions = settings.space.distributions()
    return [study.ask(distributions).params for _ in range(count)]
