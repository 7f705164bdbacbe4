"""What the MLflow UI shows first of a study: its trials, their columns and their charts.

MLflow keeps a view that can be shared as a tag of the experiment, whose key the page's address
names and whose name the page offers under "Views". What may be in one is nowhere described but in
the UI itself: what is here was found in MLflow 3.17, and tests/browser looks at what becomes of it.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_tune.scoring.metrics import direction
from fer_tune.tracking import tags
from fer_tune.tracking.metric_names import best_name
from fer_tune.tracking.run_info import StudyDescription

if TYPE_CHECKING:
    from mlflow.entities import Run

_SHARED = "mlflow.sharedViewState."

_SHOWN = ("val/macro_f1", "val/accuracy", "gap", "train/accuracy")

# Sections of charts, as MLflow names them after its metrics; it folds up those that are not shown.
_CURVES = ("val", "train", "Model metrics")
_FOLDED = ("best", "val_f1", "val_precision", "val_recall")


def view_tag(study: StudyDescription, run: "Run") -> tuple[str, str]:
    """Key and value of the experiment's tag that keeps the view of a study.

    run: the study's own.
    """
    state = {**_rows(study, run.info.run_id), **_columns(study), **_charts(study)}
    made = {"createdAt": run.info.start_time, "updatedAt": run.info.start_time}
    view = {"name": study.name, **made, "state": json.dumps(state)}
    return _SHARED + run.info.run_id, json.dumps(view)


def _rows(study: StudyDescription, run_id: str) -> dict[str, object]:
    """The trials below a row for the study, the best first.

    MLflow itself nests runs only where they are sorted by time, and then folds them up.
    """
    best = direction(study.metric)
    return {
        "searchFilter": f"tags.`{tags.PARENT}` = '{run_id}'",
        "orderByKey": _column("metrics", best_name(study.metric)),
        "orderByAsc": best == "min",
        "groupBy": {
            "aggregateFunction": best,
            "groupByKeys": [{"mode": "tag", "groupByData": tags.STUDY}],
        },
        "useGroupedValuesInCharts": False,
    }


def _columns(study: StudyDescription) -> dict[str, object]:
    names = dict.fromkeys(best_name(metric) for metric in (study.metric, *_SHOWN))
    chosen = [_column("metrics", name) for name in (*names, f"{tags.BEST}epoch")]
    chosen.append(_column("tags", tags.ENDED))
    chosen += [_column("params", name) for name in study.parameters]
    first = [_column("attributes", "Run Name"), "runDateAndNestInfo"]  # the time it began
    return {"selectedColumns": chosen, "columnOrder": [*first, *chosen, "duration"]}


def _charts(study: StudyDescription) -> dict[str, object]:
    """Parallel coordinates, score against gap, the curves; those of single classes folded up.

    MLflow adds a curve of every metric to the section of its name.
    """
    score, gap = best_name(study.metric), best_name("gap")
    against = score if score != gap else best_name("val/macro_f1")
    wide = {"columns": 1, "cardHeight": 420}  # pixels
    sections = [
        _section("Parameters and score", **wide),
        _section("Score against gap", **wide),
        *(_section(name) for name in _CURVES),
        *(_section(name, display=False) for name in _FOLDED),
    ]
    charts = [
        _chart("PARALLEL", "Parameters and score", str(number), **_axes(names, score))
        for number, names in enumerate(_compared(study))
    ]
    axes = {"xaxis": _metric(gap), "yaxis": _metric(against)}
    charts.append(_chart("SCATTER", "Score against gap", "gap", **axes))
    return {
        "compareRunCharts": charts,
        "compareRunSections": sections,
        "isAccordionReordered": True,  # else MLflow sorts the sections by name
        "runsHiddenMode": "SHOW_ALL",
    }


def _compared(study: StudyDescription) -> list[list[str]]:
    """The parameters of each chart of parallel coordinates.

    Those that all trials have, then those that others decide about, with the deciding ones: MLflow
    leaves a trial out where it lacks one of them.
    """
    groups: dict[tuple[str, ...], list[str]] = {(): []}
    for name, deciding in study.parameters.items():
        groups.setdefault(tuple(deciding), [*deciding]).append(name)
    return [names for names in groups.values() if names]


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _metric(name: str) -> dict[str, str]:
    return {"key": name, "type": "METRIC"}


def _axes(parameters: Sequence[str], score: str) -> dict[str, object]:
    return {"selectedParams": parameters, "selectedMetrics": [score], "showAllRuns": True}


def _section(name: str, **own: object) -> dict[str, object]:
    kept = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": name, "name": name, **kept, **own}


def _chart(kind: str, section: str, uuid: str, **own: object) -> dict[str, object]:
    kept = {"deleted": False, "isGenerated": False, "runsCountToCompare": 100}
    return {"uuid": uuid, "type": kind, "metricSectionId": section, **kept, **own}
