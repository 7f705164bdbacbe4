"""What the MLflow UI shows first of a study, where, and how to start it."""

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_tune.scoring.metrics import metric_direction
from fer_tune.tracking import tags
from fer_tune.tracking.metric_names import to_best_name
from fer_tune.tracking.run_info import StudyInfo
from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

_PORT = 5000

# MLflow keeps a view that can be shared as a tag of the experiment, whose key the page's address
# names and whose name the page offers under "Views". What may be in one is nowhere described but in
# the UI itself: what is here was found in MLflow 3.17, and tests/browser looks at what becomes of it.
_VIEW_TAG_PREFIX = "mlflow.sharedViewState."

_METRIC_COLUMNS = ("val/macro_f1", "val/accuracy", "gap", "train/accuracy")

# Sections of charts, as MLflow names them after its metrics; it folds up those that are not shown.
_OPEN_SECTIONS = ("val", "train", "Model metrics")
_FOLDED_SECTIONS = ("best", "val_f1", "val_precision", "val_recall")


def build_ui_command(store: Store) -> str | None:
    """The shell command that shows a local store or a database; None for a server: it is one.

    A password is left out: whoever types the command knows it.
    """
    if store.is_server:
        return None
    return f"mlflow ui --backend-store-uri {shlex.quote(str(store))} --port {_PORT}"


def build_study_url(store: Store, run_id: str) -> str:
    """The address of `build_study_path`."""
    host = str(store).rstrip("/") if store.is_server else f"http://127.0.0.1:{_PORT}"
    return f"{host}/{build_study_path(store, run_id)}"


def build_study_path(store: Store, run_id: str) -> str:
    """The page of a study's trials in its view in the UI.

    run_id: of the study, and the key of its view.
    """
    # A filter or an order in the address would keep MLflow from looking at the view.
    query = f"workflowType=machine_learning&compareRunsMode=TABLE&viewStateShareKey={run_id}"
    return f"#/experiments/{store.experiment_id}/runs?{query}"


def build_view_tag(study: StudyInfo, run: "Run") -> tuple[str, str]:
    """Key and value of the experiment's tag that keeps the view of a study.

    run: the study's own.
    """
    state = {**_build_rows(study, run.info.run_id), **_build_columns(study), **_build_charts(study)}
    made = {"createdAt": run.info.start_time, "updatedAt": run.info.start_time}
    view = {"name": study.name, **made, "state": json.dumps(state)}
    return _VIEW_TAG_PREFIX + run.info.run_id, json.dumps(view)


def _build_rows(study: StudyInfo, run_id: str) -> dict[str, object]:
    """The trials below a row for the study, the best first.

    MLflow itself nests runs only where they are sorted by time, and then folds them up.
    """
    best = metric_direction(study.metric)
    return {
        "searchFilter": f"tags.`{tags.PARENT}` = '{run_id}'",
        "orderByKey": _format_column("metrics", to_best_name(study.metric)),
        "orderByAsc": best == "min",
        "groupBy": {
            "aggregateFunction": best,
            "groupByKeys": [{"mode": "tag", "groupByData": tags.STUDY}],
        },
        "useGroupedValuesInCharts": False,
    }


def _build_columns(study: StudyInfo) -> dict[str, object]:
    names = dict.fromkeys(to_best_name(metric) for metric in (study.metric, *_METRIC_COLUMNS))
    chosen = [_format_column("metrics", name) for name in (*names, f"{tags.BEST_PREFIX}epoch")]
    chosen.append(_format_column("tags", tags.ENDED))
    chosen += [_format_column("params", name) for name in study.parameters]
    first = [_format_column("attributes", "Run Name"), "runDateAndNestInfo"]  # the time it began
    return {"selectedColumns": chosen, "columnOrder": [*first, *chosen, "duration"]}


def _build_charts(study: StudyInfo) -> dict[str, object]:
    """Parallel coordinates, score against gap, the curves; those of single classes folded up.

    MLflow adds a curve of every metric to the section of its name.
    """
    score, gap = to_best_name(study.metric), to_best_name("gap")
    against = score if score != gap else to_best_name("val/macro_f1")
    wide = {"columns": 1, "cardHeight": 420}  # pixels
    sections = [
        _build_section("Parameters and score", **wide),
        _build_section("Score against gap", **wide),
        *(_build_section(name) for name in _OPEN_SECTIONS),
        *(_build_section(name, display=False) for name in _FOLDED_SECTIONS),
    ]
    charts = [
        _build_chart(
            "PARALLEL", "Parameters and score", str(number), **_build_parallel_axes(names, score)
        )
        for number, names in enumerate(_group_parameters(study))
    ]
    axes = {"xaxis": _build_axis(gap), "yaxis": _build_axis(against)}
    charts.append(_build_chart("SCATTER", "Score against gap", "gap", **axes))
    return {
        "compareRunCharts": charts,
        "compareRunSections": sections,
        "isAccordionReordered": True,  # else MLflow sorts the sections by name
        "runsHiddenMode": "SHOW_ALL",
    }


def _group_parameters(study: StudyInfo) -> list[list[str]]:
    """The parameters of each chart of parallel coordinates.

    Those that all trials have, then those that others decide about, with the deciding ones: MLflow
    leaves a trial out where it lacks one of them.
    """
    groups: dict[tuple[str, ...], list[str]] = {(): []}
    for name, deciding in study.parameters.items():
        groups.setdefault(tuple(deciding), [*deciding]).append(name)
    return [names for names in groups.values() if names]


def _format_column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _build_axis(name: str) -> dict[str, str]:
    return {"key": name, "type": "METRIC"}


def _build_parallel_axes(parameters: Sequence[str], score: str) -> dict[str, object]:
    return {"selectedParams": parameters, "selectedMetrics": [score], "showAllRuns": True}


def _build_section(name: str, **options: object) -> dict[str, object]:
    kept = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": name, "name": name, **kept, **options}


def _build_chart(kind: str, section: str, uuid: str, **options: object) -> dict[str, object]:
    kept = {"deleted": False, "isGenerated": False, "runsCountToCompare": 100}
    return {"uuid": uuid, "type": kind, "metricSectionId": section, **kept, **options}
