"""The finalists of a study: its best trials, which are trained again with further seeds."""

from collections.abc import Sequence
from typing import Any

from fer_tune.scoring.finalist_means import FURTHER_SEEDS
from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import NUMBERS_PER_SEED, TrialRecord


def plan_repeats(settings: StudySettings, trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return the repeats of all finalists, as `train_trial` has them but for `gpus`.

    They come seed by seed, the best finalist first. The seeds are the same for all finalists. No
    trial and no ablation has them.

    The finalists are the best trials by their first scores, and trials that have a repeat already.
    They are known, and repeats are planned, once all trials have ended.
    """
    if not settings.finalists or not has_no_trial_left(settings, trials):
        return []
    ranked = rank_trials(trials, settings.metric, settings.space.max_gap, by_first_score=True)
    finalists = [
        trial.record
        for rank, trial in enumerate(ranked)
        if rank < settings.finalists or trial.record.repeats
    ]
    return [
        {
            "number": seed * NUMBERS_PER_SEED + trial.number,
            "trial": trial.config.model_dump(),
            "name": f"{trial.name}, seed {seed}",
            "seed_number": seed * NUMBERS_PER_SEED,
            "repeat_of": trial.number,
        }
        for seed in FURTHER_SEEDS
        for trial in finalists
    ]


def list_missing_repeats(
    settings: StudySettings, trials: Sequence[TrialRecord]
) -> list[dict[str, Any]]:
    """Return the planned repeats that have not ended."""
    ended = {each.number for trial in trials for each in trial.repeats if each.has_final_status}
    return [each for each in plan_repeats(settings, trials) if each["number"] not in ended]


def count_repeats(settings: StudySettings, trials: Sequence[TrialRecord]) -> int:
    """Return the number of repeats; before all trials have ended, those of new finalists only."""
    if has_no_trial_left(settings, trials):
        return len(plan_repeats(settings, trials))
    return settings.finalists * len(FURTHER_SEEDS)


def has_no_trial_left(settings: StudySettings, trials: Sequence[TrialRecord]) -> bool:
    """Return whether all trials of the study have ended, so that its finalists are known."""
    return sum(trial.has_final_status for trial in trials) >= settings.trials


def is_study_done(settings: StudySettings, trials: Sequence[TrialRecord]) -> bool:
    """Return whether all trials of the study, and the repeats of its finalists, have ended."""
    return has_no_trial_left(settings, trials) and not list_missing_repeats(settings, trials)
