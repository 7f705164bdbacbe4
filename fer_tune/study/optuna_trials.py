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


def to_frozen_trials(records: Iterable[TrialRecord], settings: StudySettings) -> list[FrozenTrial]:
    """Those that the study knows of others, then its own that are over.

    Told are the score of one of full length, and what each reported.

    Where the space has a largest gap, also by how much each was above it, when it was best.
    """
    metric, space = settings.metric, settings.space
    distributions = space.to_distributions()
    told = [known.to_frozen_trial(space) for known in settings.known]
    for record in records:
        if not record.has_final_status:
            continue
        best = record.find_best_epoch(metric)
        value = best.metrics[metric] if best and record.ending == "finished" else None
        told.append(
            create_trial(
                state=_STATES[record.ending or "failed"],
                value=value,
                params=(params := space.extract_point(record.config.model_dump())),
                distributions={name: distributions[name] for name in params},
                user_attrs={"trial": record.number},
                intermediate_values={each.epoch: each.metrics[metric] for each in record.history},
                constraints=space.evaluate_constraints(best.metrics.get("gap") if best else None),
            )
        )
    return told
