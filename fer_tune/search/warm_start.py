"""What a study can learn from the trials of others."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fer_tune.study.prior_trials import PriorTrial
from fer_tune.study.records.settings import StudySettings
from fer_tune.tracking.metric_names import to_best_name
from fer_tune.tracking.queries import StudyRun, TrialRun, find_study, list_trials
from fer_tune.tracking.store import Store
from fer_tune.tracking.tags import BEST_PREFIX


@dataclass(frozen=True)
class IncompatibleTrial:
    """A trial that tells nothing of this study; why, in words."""

    reason: str


def warm_start(
    store: Store, study_names: Sequence[str], settings: StudySettings
) -> tuple[tuple[PriorTrial, ...], str]:
    """The trials of these studies that this one can start from, and a line about all of them.

    Those fit that were scored by the same metric on the same faces, could run no longer than this
    study's trials can, and have a configuration that a trial of this study can have.
    Raises UserError where there is no such study.
    """
    studies = [find_study(store, name) for name in dict.fromkeys(study_names)]
    read = [each for study in studies for each in _read_trials(store, study, settings)]
    known = tuple(each for each in read if isinstance(each, PriorTrial))
    reasons = Counter(each.reason for each in read if isinstance(each, IncompatibleTrial))
    told = f"Starting from {len(known)} of {len(read)} trials of {', '.join(dict.fromkeys(study_names))}"
    left_out = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return known, f"{told}{f' (left out: {left_out})' if left_out else ''}."


def _read_trials(
    store: Store, study: StudyRun, settings: StudySettings
) -> Iterator[PriorTrial | IncompatibleTrial]:
    unlike = _explain_incompatibility(study, settings)
    for trial in list_trials(store, study):
        yield IncompatibleTrial(unlike) if unlike else _to_prior_trial(trial, study, settings)


def _explain_incompatibility(study: StudyRun, settings: StudySettings) -> str | None:
    """Why no trial of the study compares with those of this one."""
    own_size = settings.train_faces and str(settings.train_faces)
    if study.faces_hash != settings.faces_hash or study.settings.get("train_faces") != own_size:
        return "on other faces"
    if own_size and study.settings["seed"] != str(settings.seed):
        return "on another sample of the faces: of another seed"
    if study.metric != settings.metric:
        return f"searched by {study.metric}"
    if study.epochs > settings.epochs:
        return f"of up to {study.epochs} epochs, more than here"
    return None


def _to_prior_trial(
    trial: TrialRun, study: StudyRun, settings: StudySettings
) -> PriorTrial | IncompatibleTrial:
    score, metric = to_best_name(settings.metric).removeprefix(BEST_PREFIX), settings.metric
    result = [
        trial.best_metrics.get(score),
        trial.best_metrics.get("gap"),
        trial.metrics.get(metric),
    ]
    best, gap, last = (math.nan if value is None else value for value in result)
    if trial.ending not in ("finished", "stopped") or not math.isfinite(best + gap + last):
        return IncompatibleTrial("not ended with a result")
    if strange := settings.space.find_settings_outside(trial.config):
        return IncompatibleTrial(f"outside the space in {strange[0]}")
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
