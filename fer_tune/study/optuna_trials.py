"""Optuna's view of a study: its direction, and the trials that have ended."""

from collections.abc import Iterable
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from fer_tune.scoring.metrics import metric_direction
from fer_tune.study.prior_trial import PriorTrial
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.study.search_space.space import SearchSpace

_STATES = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}


def create_study(settings: StudySettings, **options: Any) -> optuna.Study:
    """Return an Optuna study without trials.

    options: of `optuna.create_study`.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        direction="minimize" if metric_direction(settings.metric) == "min" else "maximize",
        **options,
    )


def to_frozen_trials(records: Iterable[TrialRecord], settings: StudySettings) -> list[FrozenTrial]:
    """Return the prior trials of the study, then those of its trials that have ended.

    A completed trial has its score as its value, and every trial has the metric of each epoch. If
    the space limits the gap, a constraint is the excess of the gap in the best epoch.
    """
    metric, space = settings.metric, settings.space
    distributions = space.to_distributions()
    trials = [_to_frozen_prior(prior, space) for prior in settings.known]
    for record in records:
        if not record.has_final_status:
            continue
        best = record.find_best_epoch(metric)
        trials.append(
            create_trial(
                state=_STATES[record.ending or "failed"],
                value=best.metrics[metric] if best and record.ending == "finished" else None,
                params=(params := space.extract_point(record.config.model_dump())),
                distributions={name: distributions[name] for name in params},
                user_attrs={"trial": record.number},
                intermediate_values={
                    epoch.epoch: epoch.metrics[metric] for epoch in record.history
                },
                constraints=space.evaluate_constraints(best.metrics.get("gap") if best else None),
            )
        )
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
