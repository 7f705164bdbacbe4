"""Which trial of a study is best, among its runs in MLflow."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fer_tune.common.errors import UserError
from fer_tune.events import RESUMABLE_ENDINGS
from fer_tune.scoring.finalist_means import EndedRepeats, average_finalists
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
        both = (tags.TRIAL, tags.REPEAT)
        runs, repeats = (queries.list_trial_runs(store, study.run_id, tag) for tag in both)
        best = find_best_run(runs, repeats, study.metric, study.max_gap)
        if best is None:
            raise UserError(f"study {study.name} has no trial with a result yet; resume it")
        number = int(best.data.tags[tags.TRIAL])
    return queries.find_trial(store, study, number)


def find_best_run(
    runs: "Iterable[Run]", repeats: "Iterable[Run]", metric: str, max_gap: float | None
) -> "Run | None":
    """Return the run of the best trial; None if no trial has finished an epoch.

    Finalists are compared as by `rank_trials` in `study/ranking.py`.

    repeats: the runs of the repeats of the study's finalists.
    metric, max_gap: of the study, see `ranking_key`.
    """
    scored = [run for run in runs if _read_scores(run, metric)]
    firsts = {int(run.data.tags[tags.TRIAL]): _read_scores(run, metric) for run in scored}
    means = average_finalists(firsts, _list_results(repeats, metric), metric)

    def sort_key(run: "Run") -> tuple[bool, float, float]:
        number = int(run.data.tags[tags.TRIAL])
        is_completed = queries.read_ending(run) == "finished"
        metrics = means.get(number) or _read_scores(run, metric)
        return number in means, *ranking_key(metrics, metric, max_gap, is_completed=is_completed)

    return max(scored, key=sort_key, default=None)


def _read_scores(run: "Run", metric: str) -> dict[str, float]:
    """Return the metric and the gap of the best epoch; empty if the run has no epoch."""
    names, values = {"gap": to_best_name("gap"), metric: to_best_name(metric)}, run.data.metrics
    if not values.keys() >= {*names.values()}:
        return {}
    return {name: values[recorded] for name, recorded in names.items()}


def _list_results(repeats: "Iterable[Run]", metric: str) -> EndedRepeats:
    results: dict[int, list[dict[str, float] | None]] = defaultdict(list)
    for run in repeats:
        ending = queries.read_ending(run)
        with queries.explain_run_errors(run):
            own = results[int(run.data.tags[tags.REPEAT_OF])]
        if ending is not None and ending not in RESUMABLE_ENDINGS:
            own.append(_read_scores(run, metric) if ending == "finished" else None)
    return results
