"""The checkpoints of a study's trials: where they are, and which are kept."""

from fer_tune.events import MAY_GO_ON, EpochEnded, Event, TrialEnded
from fer_tune.folder import Folder
from fer_tune.training.metrics import improves


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

    def __init__(self, folder: Folder, metric: str) -> None:
        self._folder, self._metric = folder, metric
        self._scores: dict[int, float] = {}  # of the trials that may go on, and the best
        self._best: int | None = None

    def tell(self, event: Event) -> None:
        match event:
            case EpochEnded(number=number, result=result):
                value = result.metrics[self._metric]
                if improves(self._metric, value, self._scores.get(number)):
                    self._scores[number] = value
            case TrialEnded(number=number, ending=ending):
                if ending not in MAY_GO_ON:
                    self._drop(self._loser(number))

    def _loser(self, number: int) -> int | None:
        """Of the trial that ended and the best before it, the worse."""
        score, best = self._scores.get(number), self._best
        if score is None:
            return number
        if best is not None and not improves(self._metric, score, self._scores[best]):
            return None if number == best else number
        self._best = number
        return best

    def _drop(self, number: int | None) -> None:
        if number is not None:
            self._scores.pop(number, None)
            checkpoint_folder(self._folder, number).remove()
