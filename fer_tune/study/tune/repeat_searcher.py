"""The searcher of the finalists: Ray Tune asks it for the planned repeats."""

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from fer_tune.study.planned_repeats import PlannedRepeat
from fer_tune.study.tune.failure import TrialFailure


class RepeatSearcher(Searcher):  # type: ignore[misc]
    """A Ray searcher that hands out the repeats of finalists, of which Optuna knows nothing.

    A repeat that ran out of memory on a fraction of a GPU comes again, last, with a whole GPU.

    repeats: those that have not ended, in their order.
    gpus: GPUs of one trial, may be a fraction.
    """

    def __init__(self, repeats: Sequence[PlannedRepeat], gpus: float) -> None:
        super().__init__()
        self._waiting = [repeat.build_config(gpus) for repeat in repeats]
        self._running: dict[str, dict[str, Any]] = {}  # by Ray's id

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the config of the next repeat, None if one may come again, else FINISHED."""
        if self._waiting:
            config = self._running[trial_id] = self._waiting.pop(0)
            return config
        may_return = any(0 < config["gpus"] < 1 for config in self._running.values())
        return None if may_return else str(Searcher.FINISHED)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        config = self._running.pop(trial_id)
        failure: TrialFailure | None = (result or {}).get("failure")
        if failure and failure.is_retryable(config):
            self._waiting.append(config | {"gpus": 1.0})
