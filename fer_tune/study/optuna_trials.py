"""What Optuna is told of trials that are over."""

from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState, create_trial

from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord

_STATES = {
    "finished": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def as_optuna_has_them(
    records: Iterable[TrialRecord], settings: StudySettings
) -> list[FrozenTrial]:
    """Those that the study knows of others, then its own that are over.

    Told are the score of one of full length, and what each reported.

    Where the space has a largest gap, also by how much each was above it, when it was best.
    """
    metric, space = settings.metric, settings.space
    distributions = space.distributions()
    told = [known.as_optuna_has_it(space) for known in settings.known]
    for record in records:
        if not record.is_over:
            continue
        best = record.best(metric)
        value = best.metrics[metric] if best and record.ending == "finished" else None
        told.append(
            create_trial(
                state=_STATES[record.ending or "failed"],
                value=value,
                params=(params := space.point(record.config.model_dump())),
                distributions={name: distributions[name] for name in params},
                user_attrs={"trial": record.number},
                intermediate_values={each.epoch: each.metrics[metric] for each in record.history},
                constraints=space.constraints_at(best.metrics.get("gap") if best else None),
            )
        )
    return told
