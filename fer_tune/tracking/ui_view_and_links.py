"""The MLflow UI: its command, the address of a study, and the view of its trials there."""

import json
import os
import shlex
from typing import TYPE_CHECKING

from fer_tune.common.cli import find_command
from fer_tune.scoring.metrics import metric_direction
from fer_tune.tracking import tags
from fer_tune.tracking.log10_parameters import LOG10_PREFIX
from fer_tune.tracking.mlflow_metric_names import to_best_name
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo

if TYPE_CHECKING:
    from mlflow.entities import Run

REPORT_FILE = "report.html"  # of a study

# As in the Makefile. Without the variable, MLflow also starts processes for jobs.
_PORT = 5000
_URL_VARIABLE = "FER_TUNE_MLFLOW_URL"
_UI_VARIABLE = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"
_UI_OPTIONS = f"--host 127.0.0.1 --allowed-hosts 'localhost:*,127.0.0.1:*' --port {_PORT}"

# MLflow stores a shared view as a tag of the experiment. The key is part of the page's address;
# the name is listed under "Views". The format is not documented. It is taken from the UI of
# MLflow 3.17, and tests/browser checks what the UI shows.
VIEW_TAG_PREFIX = "mlflow.sharedViewState."

_METRIC_COLUMNS = ("val/macro_f1", "val/accuracy", "gap", "train/accuracy")

# Sections of charts, which MLflow names after its metrics.
_OPEN_SECTIONS = ("val", "train", "Model metrics")
_FOLDED_SECTIONS = ("best", "val_f1", "val_precision", "val_recall")


def build_ui_command(store: Store) -> str | None:
    """Return the shell command that starts the UI of a local store or a database.

    It does the same as `make ui`. It has neither user name nor password. None for a server, which
    has a UI of its own.
    """
    if store.is_server:
        return None
    python, uri = find_command("python"), shlex.quote(str(store))
    return f"{_UI_VARIABLE} {python} -m mlflow ui --backend-store-uri {uri} {_UI_OPTIONS}"


def build_study_url(store: Store, run_id: str) -> str:
    """Return the full address of `build_study_path`."""
    return f"{_find_host(store)}/{build_study_path(store, run_id)}"


def build_run_url(store: Store, run_id: str) -> str:
    """Return the full address of a run in the UI."""
    return f"{_find_host(store)}/#/experiments/{store.experiment_id}/runs/{run_id}"


def build_report_url(store: Store, run_id: str) -> str | None:
    """Return the address of a study's report, or None if people can open the file itself.

    They cannot open it in a container, where FER_TUNE_MLFLOW_URL is set.
    """
    if not os.environ.get(_URL_VARIABLE):
        return None
    return f"{build_run_url(store, run_id)}/artifacts/{REPORT_FILE}"


def _find_host(store: Store) -> str:
    """Return the address at which people open MLflow; a container has another one."""
    own = str(store) if store.is_server else f"http://127.0.0.1:{_PORT}"
    return (os.environ.get(_URL_VARIABLE) or own).rstrip("/")


def build_study_path(store: Store, run_id: str) -> str:
    """Return the address in the UI of a study's trials, in the study's view.

    run_id: ID of the study's run, which is also the key of the view.
    """
    # With a filter or an order in the address, MLflow would ignore the view.
    query = f"workflowType=machine_learning&compareRunsMode=TABLE&viewStateShareKey={run_id}"
    return f"#/experiments/{store.experiment_id}/runs?{query}"


def build_view_tag(study: StudyInfo, run: "Run") -> tuple[str, str]:
    """Return key and value of the experiment's tag that holds the view of a study.

    run: the parent run of the study.
    """
    state = {**_build_rows(study, run.info.run_id), **_build_columns(study), **_build_charts(study)}
    times = {"createdAt": run.info.start_time, "updatedAt": run.info.start_time}
    view = {"name": study.name, **times, "state": json.dumps(state)}
    return VIEW_TAG_PREFIX + run.info.run_id, json.dumps(view)


def _build_rows(study: StudyInfo, run_id: str) -> dict[str, object]:
    """Return the state of the rows: the trials of one study, the best first.

    MLflow nests runs only if they are sorted by time. Repeats of finalists are no rows.
    """
    only_trials = f" AND tags.`{tags.TRIAL}` != ''" if study.has_finalists else ""
    return {
        "searchFilter": f"tags.`{tags.PARENT}` = '{run_id}'{only_trials}",
        "orderByKey": _format_column("metrics", to_best_name(study.metric)),
        "orderByAsc": metric_direction(study.metric) == "min",
        "groupBy": None,
    }


def _build_columns(study: StudyInfo) -> dict[str, object]:
    names = dict.fromkeys(to_best_name(metric) for metric in (study.metric, *_METRIC_COLUMNS))
    columns = [_format_column("metrics", name) for name in (*names, f"{tags.BEST_PREFIX}epoch")]
    columns.append(_format_column("tags", tags.ENDED))
    columns += [_format_column("params", name) for name in study.parameters]
    first = [_format_column("attributes", "Run Name"), "runDateAndNestInfo"]  # name and start time
    return {"selectedColumns": columns, "columnOrder": [*first, *columns, "duration"]}


def _build_charts(study: StudyInfo) -> dict[str, object]:
    """Return the state of the charts: parallel coordinates, score against gap, learning curves.

    MLflow adds a learning curve of every metric to the section of its name.
    """
    score, gap = to_best_name(study.metric), to_best_name("gap")
    height = score if score != gap else to_best_name("val/macro_f1")
    wide = {"columns": 1, "cardHeight": 420}  # pixels
    parameters, scatter = "Parameters and score", "Score against gap"
    scores: dict[str, object] = {"selectedMetrics": [score], "showAllRuns": True}
    charts = [
        _build_chart("PARALLEL", parameters, str(number), selectedParams=names, **scores)
        for number, names in enumerate(_group_parameters(study))
    ]
    axes = {"xaxis": {"key": gap, "type": "METRIC"}, "yaxis": {"key": height, "type": "METRIC"}}
    charts.append(_build_chart("SCATTER", scatter, "gap", **axes))
    return {
        "compareRunCharts": charts,
        "compareRunSections": [
            _build_section(parameters, **wide),
            _build_section(scatter, **wide),
            *(_build_section(name) for name in _OPEN_SECTIONS),
            *(_build_section(name, display=False) for name in _FOLDED_SECTIONS),
        ],
        "isAccordionReordered": True,  # otherwise MLflow sorts the sections by name
        "runsHiddenMode": "SHOW_ALL",
    }


def _group_parameters(study: StudyInfo) -> list[list[str]]:
    """Return the axes of each chart of parallel coordinates, which are linear.

    The first chart has the parameters of all trials. Each further chart has parameters that depend
    on the same others, with these: MLflow leaves out a trial without a value for every axis.
    """
    groups: dict[tuple[str, ...], list[str]] = {(): []}
    for name, deciding in study.parameters.items():
        groups.setdefault(tuple(deciding), [*deciding]).append(name)
    logs = {name: LOG10_PREFIX + name for name in study.log_parameters}
    return [[logs.get(name, name) for name in names] for names in groups.values() if names]


def _format_column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _build_section(name: str, **options: object) -> dict[str, object]:
    fixed = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": name, "name": name, **fixed, **options}


def _build_chart(kind: str, section: str, uuid: str, **options: object) -> dict[str, object]:
    fixed = {"deleted": False, "isGenerated": False, "runsCountToCompare": 100}
    return {"uuid": uuid, "type": kind, "metricSectionId": section, **fixed, **options}
