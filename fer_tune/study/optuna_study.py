"""Optuna's view of a study: the trials that have ended, and those that its sampler sees."""

import copy
import heapq
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from fer_tune.common import atomic
from fer_tune.defaults import SamplerName
from fer_tune.scoring.metrics import metric_direction
from fer_tune.study.records.settings import PriorTrial, StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace

_STATES = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}


def create_study(metric: str, **options: Any) -> optuna.Study:
    """Return an Optuna study without trials, which optimises the metric.

    options: of `optuna.create_study`.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options["direction"] = "minimize" if metric_direction(metric) == "min" else "maximize"
    return optuna.create_study(**options)


def to_frozen_trials(
    records: Iterable[TrialRecord],
    metric: str,
    space: SearchSpace,
    known: Sequence[PriorTrial] = (),
) -> list[FrozenTrial]:
    """Return the prior trials of a study, then those of its trials that have ended.

    A completed trial has its score as its value, and every trial has the metric of each epoch. If
    the space limits the gap, a constraint is the excess of the gap in the best epoch.

    known: the prior trials.
    """
    distributions = space.to_distributions()
    trials = [_to_frozen_prior(prior, space) for prior in known]
    for record in records:
        if not record.has_final_status:
            continue
        best = record.find_best_epoch(metric)
        trial = create_trial(
            state=_STATES[record.ending or "failed"],
            value=best.metrics[metric] if best and record.ending == "finished" else None,
            params=(params := space.extract_point(record.config.model_dump())),
            distributions={name: distributions[name] for name in params},
            user_attrs={"trial": record.number},
            intermediate_values={each.epoch: each.metrics[metric] for each in record.history},
            constraints=space.evaluate_constraints(best.metrics.get("gap") if best else None),
        )
        trials.append(trial)
    return trials


def _to_frozen_prior(trial: PriorTrial, space: SearchSpace) -> FrozenTrial:
    """Return a prior trial; if it is shorter than the study's trials, it is pruned."""
    return create_trial(
        state=TrialState.COMPLETE if trial.is_whole else TrialState.PRUNED,
        value=trial.best if trial.is_whole else None,
        params=trial.point,
        distributions={name: space.parameters[name].to_distribution() for name in trial.point},
        user_attrs={"study": trial.study, "trial": trial.number},
        intermediate_values={trial.epochs: trial.last},
        constraints=space.evaluate_constraints(trial.gap),
    )


def sum_excess(trial: FrozenTrial) -> float:
    """Return by how much a trial exceeds the limits of its constraints; 0 within all limits."""
    return sum(max(0.0, value) for value in trial.constraints.values())


EXPORT_FILE = "optuna.log"  # for optuna-dashboard


def export_optuna_study(
    folder: Path, settings: StudySettings, trials: Sequence[TrialRecord]
) -> str | None:
    """Write the prior trials, and the trials that have ended, as an Optuna study into `folder`.

    The file is written anew, and completely or not at all. A running study has no such file, as
    Optuna would hold every trial in the driver's memory.

    Returns a line for people if the file cannot be written, else None.
    """
    partial = folder / atomic.make_partial_name(EXPORT_FILE)
    try:
        storage = JournalStorage(JournalFileBackend(str(partial)))
        study = create_study(settings.metric, storage=storage, study_name=settings.name)
        study.set_user_attr("metric", settings.metric)
        metric, space = settings.metric, settings.space
        study.add_trials(to_frozen_trials(trials, metric, space, settings.known))
        atomic.move_to_final_path(partial, folder / EXPORT_FILE)
    except OSError as error:
        partial.unlink(missing_ok=True)
        return f"{folder / EXPORT_FILE}, for optuna-dashboard, cannot be written: {error.strerror}"
    return None


# How many of the newest trials each sampler sees. Without a window, a proposal of TPE takes five
# times as long at 3,000 trials (regularize.yaml, 65 ms to 360 ms) and 24 times as long at 10,000.
# The time of a Gaussian process grows with the cube of the trials.
WINDOW_SIZES: dict[SamplerName, int] = {"gp": 200, "tpe": 1000}
MAX_BEST = 25  # TPE counts at most 25 trials among the good ones


class WindowedStorage(InMemoryStorage):
    """A storage of one study that shows the newest trials and the best of all trials.

    TPE gives a trial less weight the older it is. Without most of the old trials, a proposal in a
    long study takes no longer than in a short one.

    A paused trial is shown as pruned. TPE counts a running trial among the bad ones until it ends,
    and most paused trials never resume.

    window_size: number of newest trials that it shows.
    """

    def __init__(self, window_size: int) -> None:
        super().__init__()
        self._window_size = window_size
        self._paused: dict[int, FrozenTrial] = {}  # by Optuna's number, as the sampler sees them
        self._count = 0  # trials of the study when `_best` was computed
        self._best: list[FrozenTrial] = []

    def mark_paused(self, trial: optuna.Trial, constraints: Mapping[str, float]) -> None:
        """Show a trial as pruned, with these constraints.

        The trial itself stays without constraints: Optuna never changes those it has, and they
        may differ when the trial ends.
        """
        shown = copy.copy(self.get_trial(trial._trial_id))
        shown.state, shown.system_attrs = TrialState.PRUNED, dict(shown.system_attrs)
        for name, value in constraints.items():
            shown.set_constraint(name, value)
        self._paused[trial.number] = shown

    def mark_running(self, trial: optuna.Trial) -> None:
        """Show a paused trial as running again."""
        del self._paused[trial.number]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if states == (TrialState.WAITING,):  # Optuna keeps a list of these
            return super().get_all_trials(study_id, deepcopy, states)
        trials = super().get_all_trials(study_id, deepcopy=False)
        if (older := len(trials) - self._window_size) > 0:
            best = self._find_best(study_id, trials)
            trials = [trial for trial in best if trial.number < older] + trials[older:]
        visible = (self._paused.get(trial.number, trial) for trial in trials)
        selected = [trial for trial in visible if states is None or trial.state in states]
        return copy.deepcopy(selected) if deepcopy else selected

    def _find_best(self, study_id: int, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the best trials, by number.

        TPE asks several times for each proposal. They are computed once for each new trial.
        """
        if len(trials) != self._count:
            (direction,) = self.get_study_directions(study_id)
            sign = 1 if direction == StudyDirection.MAXIMIZE else -1

            def sort_key(trial: FrozenTrial) -> tuple[float, float]:
                return -sum_excess(trial), sign * trial.values[0]

            completed = (trial for trial in trials if trial.values)
            best = heapq.nlargest(MAX_BEST, completed, key=sort_key)
            self._count, self._best = len(trials), sorted(best, key=lambda trial: trial.number)
        return self._best
