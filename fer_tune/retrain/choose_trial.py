"""Which trial of a study is trained again."""

from fer_tune.common.errors import UserError
from fer_tune.study.ranking import ranking_key
from fer_tune.tracking import tags
from fer_tune.tracking.mlflow_metric_names import to_best_name
from fer_tune.tracking.queries import StudyRun, TrialRun, find_trial, list_trials
from fer_tune.tracking.store import Store


def choose_trial(store: Store, study: StudyRun, number: int | None = None) -> TrialRun:
    """Return the trial of this number; without a number, the best trial of the study.

    Raises UserError if the study has no such trial, or if no trial has finished an epoch.
    """
    if number is not None:
        return find_trial(store, study, number)
    score = to_best_name(study.metric).removeprefix(tags.BEST_PREFIX)
    trials = list_trials(store, study)
    scored = [trial for trial in trials if {score, "gap"} <= trial.best_metrics.keys()]
    if not scored:
        raise UserError(f"study {study.name} has no trial with a result yet; resume it")

    def sort_key(trial: TrialRun) -> tuple[float, float]:
        metrics = {"gap": trial.best_metrics["gap"], study.metric: trial.best_metrics[score]}
        is_completed = trial.ending == "finished"
        return ranking_key(metrics, study.metric, study.max_gap, is_completed=is_completed)

    return max(scored, key=sort_key)
