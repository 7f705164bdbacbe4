"""Warm start: the trials of other studies with which a search starts."""

import math
from collections import Counter
from collections.abc import Sequence

from fer_tune.common.safe_text import pluralize
from fer_tune.scoring.vote_metrics import list_vote_metric_names
from fer_tune.study.records.settings import PriorTrial, StudySettings
from fer_tune.tracking.mlflow_metric_names import to_best_name
from fer_tune.tracking.queries import StudyRun, TrialRun, find_study, list_trials
from fer_tune.tracking.store import Store
from fer_tune.tracking.tags import BEST_PREFIX


def warm_start(
    store: Store, study_names: Sequence[str], settings: StudySettings
) -> tuple[tuple[PriorTrial, ...], str]:
    """Return the trials of other studies that fit this one, and a summary of all of them.

    A trial fits if its study has the same faces, the same metric and no more epochs. The search
    space of this study must contain its configuration.

    Raises UserError if there is no such study.
    """
    names = tuple(dict.fromkeys(study_names))
    trials = [
        _explain_incompatibility(study, settings) or _to_prior_trial(trial, study, settings)
        for study in [find_study(store, name) for name in names]
        for trial in list_trials(store, study)
    ]
    known = tuple(trial for trial in trials if isinstance(trial, PriorTrial))
    reasons = Counter(trial for trial in trials if isinstance(trial, str))
    summary = f"Starting with {len(known)} of {pluralize(len(trials), 'trial')} of "
    omitted = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return known, summary + ", ".join(names) + (f" (left out: {omitted})." if omitted else ".")


def _explain_incompatibility(study: StudyRun, settings: StudySettings) -> str | None:
    """Return why the trials of a study cannot be compared with those of this one, or None."""
    if study.faces_hash != settings.faces_hash:
        return "with other faces"
    if study.train_faces != settings.train_faces:
        return "with another number of training faces (--train-faces)"
    if settings.train_faces and study.settings["seed"] != str(settings.seed):
        return "with another sample of the faces, as the seed differs"
    if study.metric != settings.metric:
        return f"with the metric {study.metric}"
    if study.epochs > settings.epochs:
        return f"of up to {pluralize(study.epochs, 'epoch')}, more than in this study"
    return None


def _to_prior_trial(trial: TrialRun, study: StudyRun, settings: StudySettings) -> PriorTrial | str:
    """Return the trial as this study uses it, or why it cannot."""
    score = to_best_name(settings.metric).removeprefix(BEST_PREFIX)
    best = trial.best_metrics.get(score, math.nan)
    gap = trial.best_metrics.get("gap", math.nan)
    last = trial.metrics.get(settings.metric, math.nan)
    if trial.ending not in ("finished", "stopped") or not math.isfinite(best + gap + last):
        return "without an end or a result"
    own_list = study.settings.get("suspects_hash")
    if trial.config.labels == "without_suspects" and own_list != settings.suspects_hash:
        return "with another list of suspects"
    uses_votes = trial.config.labels == "votes" or settings.metric in list_vote_metric_names()
    if uses_votes and study.settings.get("votes_hash") != settings.votes_hash:
        return "with other votes"
    if outside := settings.space.find_settings_outside(trial.config):
        return f"outside the space in {outside[0]}"
    return PriorTrial(
        study=study.name,
        number=trial.number,
        point=settings.space.extract_point(trial.config.model_dump()),
        epochs=trial.epochs,
        is_whole=trial.epochs == settings.epochs,
        best=best,
        gap=gap,
        last=last,
    )
