"""The searcher of planned trainings: Ray Tune asks it for those of an ablation, and for repeats."""

from collections.abc import Callable, Iterable
from typing import Any

from ray.tune.search import Searcher

from fer_tune.study.tune.failure import TrialFailure


class PlannedSearcher(Searcher):  # type: ignore[misc]
    """A Ray searcher that hands out planned trainings, of which Optuna knows nothing.

    Ray waits while trainings run, as others may be planned when they end. A training that ran out
    of memory on a fraction of a GPU comes again, last, with a whole GPU.

    list_missing: returns the configs of the trainings that are planned so far and have not ended,
        in their order; see `train_trial`.
    gpus: GPUs of one training, may be a fraction; the configs lack it.
    """

    def __init__(self, list_missing: Callable[[], Iterable[dict[str, Any]]], gpus: float) -> None:
        super().__init__()
        self._list_missing, self._gpus = list_missing, gpus
        self._known = set[int]()  # numbers of the trainings that are or were in `_waiting`
        self._waiting: list[dict[str, Any]] = []
        self._running: dict[str, dict[str, Any]] = {}  # by Ray's id

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the config of the next training, None if one may follow, else FINISHED."""
        new = [config for config in self._list_missing() if config["number"] not in self._known]
        self._known.update(config["number"] for config in new)
        self._waiting += [config | {"gpus": self._gpus} for config in new]
        if self._waiting:
            config = self._running[trial_id] = self._waiting.pop(0)
            return config
        return None if self._running else str(Searcher.FINISHED)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        config = self._running.pop(trial_id)
        failure: TrialFailure | None = (result or {}).get("failure")
        if failure and failure.is_retryable(config):
            self._waiting.append(config | {"gpus": 1.0})
