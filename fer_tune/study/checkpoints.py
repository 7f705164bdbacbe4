"""The checkpoints of a study's trials: where they are, and which are kept."""

from fer_tune.events import MAY_GO_ON, EpochEnded, Event, TrialEnded
from fer_tune.folder import Folder
from fer_tune.training.metrics import standing


def trial_folder(number: int) -> str:
    """The name of a trial's folder."""
    return f"trial-{number:06d}"


def checkpoint_folder(study: Folder, number: int) -> Folder:
    """Where a trial of the study in `study` keeps its newest state."""
    return study / "checkpoints" / trial_folder(number)


class Tidier:
    """Keeps the checkpoints of the best trial and of those that may go on; an observer.

    Told of a whole study again, it finds the same trial to keep.
    """

    def __init__(self, folder: Folder, metric: str, max_gap: float | None = None) -> None:
        self._folder, self._metric, self._max_gap = folder, metric, max_gap
        # How the trials that may go on, and the best, stand in the epoch that scores them.
        self._standings: dict[int, tuple[float, float]] = {}
        self._best: int | None = None

    def tell(self, event: Event) -> None:
        match event:
            case EpochEnded(number=number, result=result):
                now = standing(result.metrics, self._metric, self._max_gap)
                before = self._standings.get(number)
                if before is None or now[1] > before[1]:  # by the score alone
                    self._standings[number] = now
            case TrialEnded(number=number, ending=ending):
                if ending not in MAY_GO_ON:
                    self._drop(self._loser(number))

    def _loser(self, number: int) -> int | None:
        """Of the trial that ended and the best before it, the worse."""
        ended, best = self._standings.get(number), self._best
        if ended is None:
            return number
        if best is not None and ended <= self._standings[best]:
            return None if number == best else number
        self._best = number
        return best

    def _drop(self, number: int | None) -> None:
        if number is not None:
            self._standings.pop(number, None)
            checkpoint_folder(self._folder, number).remove()
