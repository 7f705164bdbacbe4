"""The list of all studies in a store, for people, programs and the completion in shells."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_tune.events import STATUS_WORDS
from fer_tune.tracking import tags
from fer_tune.tracking.choose_trial import find_best_run
from fer_tune.tracking.find_study_run import list_nested_runs, list_study_runs
from fer_tune.tracking.mlflow_metric_names import to_best_name
from fer_tune.tracking.queries import explain_run_errors, read_ending
from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class ListedStudy:
    """A study and the state of its trials, as MLflow has them.

    run_id: ID of the study's run.
    data: where the faces come from, for people.
    metric: chooses a trial's best epoch.
    status: "completed", "running", ... (`STATUS_WORDS`), or "deleted" if it was deleted in MLflow.
        A study that was killed is "running".
    trials: number of trials by status word.
    begun: milliseconds since 1970.
    best_trial: number of the best trial; None without a result.
    score, gap: of its best epoch.
    storage: `--storage` of the study; None if an earlier version recorded it.
    """

    name: str
    run_id: str
    data: str
    metric: str
    status: str
    trials: Mapping[str, int]
    begun: int
    best_trial: int | None
    score: float | None
    gap: float | None
    storage: str | None


def list_studies(store: Store) -> list[ListedStudy]:
    """Return all studies, oldest first; last those that were deleted in MLflow.

    Raises UserError for a run that something else has changed.
    """
    trials, repeats = (list_nested_runs(store, tag) for tag in (tags.TRIAL, tags.REPEAT))
    studies = [
        _to_listed_study(run, trials[run.info.run_id], repeats[run.info.run_id])
        for run in list_study_runs(store)
    ]
    deleted = list_study_runs(store, deleted=True)
    return studies + [_to_listed_study(run, (), (), status="deleted") for run in deleted]


def _to_listed_study(
    run: "Run", trials: "Sequence[Run]", repeats: "Sequence[Run]", status: str | None = None
) -> ListedStudy:
    recorded, metric = run.data.tags, run.data.tags[tags.METRIC]
    with explain_run_errors(run):
        max_gap = run.data.params.get("max_gap")
        best = find_best_run(trials, repeats, metric, float(max_gap) if max_gap else None)
        best_trial = int(best.data.tags[tags.TRIAL]) if best else None
    metrics = best.data.metrics if best else {}
    return ListedStudy(
        name=recorded[tags.STUDY],
        run_id=run.info.run_id,
        data=recorded.get(tags.SOURCE, ""),
        metric=metric,
        status=status or STATUS_WORDS[read_ending(run)],
        trials=dict(Counter(STATUS_WORDS[read_ending(trial)] for trial in trials)),
        begun=run.info.start_time,
        best_trial=best_trial,
        score=metrics.get(to_best_name(metric)),
        gap=metrics.get(to_best_name("gap")),
        storage=recorded.get(tags.STORAGE),
    )
