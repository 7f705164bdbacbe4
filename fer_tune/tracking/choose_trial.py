"""Which trial of a study is best, among its runs in MLflow."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fer_tune.common.errors import UserError
from fer_tune.scoring.metrics import ranking_key
from fer_tune.tracking import queries, tags
from fer_tune.tracking.mlflow_metric_names import to_best_name
from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run


def choose_trial(
    store: Store, study: queries.StudyRun, number: int | None = None
) -> queries.TrialRun:
    """Return the trial of this number; without a number, the best trial of the study.

    Raises UserError if the study has no such trial, or if no trial has finished an epoch.
    """
    if number is None:
        runs = queries.list_trial_runs(store, study.run_id)
        best = find_best_run(runs, study.metric, study.max_gap)
        if best is None:
            raise UserError(f"study {study.name} has no trial with a result yet; resume it")
        number = int(best.data.tags[tags.TRIAL])
    return queries.find_trial(store, study, number)


def find_best_run(runs: "Iterable[Run]", metric: str, max_gap: float | None) -> "Run | None":
    """Return the run of the best trial; None if no trial has finished an epoch.

    metric, max_gap: of the study, see `ranking_key`.
    """
    score, gap = to_best_name(metric), to_best_name("gap")

    def sort_key(run: "Run") -> tuple[float, float]:
        metrics = {"gap": run.data.metrics[gap], metric: run.data.metrics[score]}
        is_completed = queries.read_ending(run) == "finished"
        return ranking_key(metrics, metric, max_gap, is_completed=is_completed)

    scored = [run for run in runs if {score, gap} <= run.data.metrics.keys()]
    return max(scored, key=sort_key, default=None)
