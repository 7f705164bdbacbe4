import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mlflow.entities import Run

from fer_tune.events import Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.tracking.mlflow_metric_names import to_best_metrics, to_epoch_metrics
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.ui_view_and_links import (
    build_report_url,
    build_study_url,
    build_ui_command,
    build_view_tag,
)

Describe = Callable[..., StudyInfo]
Events = Callable[..., list[Event]]

RUN = cast(Run, SimpleNamespace(info=SimpleNamespace(run_id="ab12", start_time=7)))


def _state(study: StudyInfo) -> dict[str, Any]:
    view = json.loads(build_view_tag(study, RUN)[1])
    return cast("dict[str, Any]", json.loads(view["state"]))


def _parallel(study: StudyInfo) -> list[list[str]]:
    charts = _state(study)["compareRunCharts"]
    return [chart["selectedParams"] for chart in charts if chart["type"] == "PARALLEL"]


def test_a_view_has_the_studys_name_and_its_runs_id_as_key(describe: Describe) -> None:
    key, value = build_view_tag(describe(name="faces"), RUN)
    assert key == "mlflow.sharedViewState.ab12"
    assert json.loads(value)["name"] == "faces"


@pytest.mark.parametrize(
    ("metric", "column", "ascending"),
    [
        ("val/macro_f1", "best/macro_f1", False),
        ("train/loss", "best/train_loss", True),
        ("gap", "best/gap", True),
    ],
)
def test_the_best_trial_is_first_and_its_score_too(
    describe: Describe, metric: str, column: str, ascending: bool
) -> None:
    state = _state(describe(metric=metric))
    assert (state["orderByKey"], state["orderByAsc"]) == (f"metrics.`{column}`", ascending)
    assert state["selectedColumns"][0] == state["orderByKey"]
    assert len(set(state["selectedColumns"])) == len(state["selectedColumns"])
    assert state["groupBy"] is None


def test_every_metric_is_in_a_section_and_those_of_single_classes_are_folded_up(
    describe: Describe, result: Callable[..., EpochResult]
) -> None:
    names = to_epoch_metrics(result(1)) | to_best_metrics(result(1), "val/macro_f1")
    shown = {
        section["name"]: section["display"] for section in _state(describe())["compareRunSections"]
    }
    used = {name.rpartition("/")[0] or "Model metrics" for name in names}
    assert used == shown.keys() - {"Parameters and score", "Score against gap"}
    folded = {name for name, unfolded in shown.items() if not unfolded}
    assert folded == {"best", "val_f1", "val_precision", "val_recall"}


def test_parameters_that_only_some_trials_have_are_compared_among_those(describe: Describe) -> None:
    assert _parallel(describe(parameters={"depth": (), "width": ()})) == [["depth", "width"]]
    some = {"head": (), "hidden_1": ("head",), "depth": (), "hidden_2": ("head",)}
    assert _parallel(describe(parameters=some)) == [
        ["head", "depth"],
        ["head", "hidden_1", "hidden_2"],
    ]


def test_a_parameter_with_a_logarithmic_range_is_drawn_by_its_logarithm(
    describe: Describe,
) -> None:
    study = describe(
        parameters={"learning_rate": (), "head": (), "hidden_1": ("head",)},
        log_parameters=("learning_rate", "hidden_1"),
    )
    assert _parallel(study) == [["log10_learning_rate", "head"], ["head", "log10_hidden_1"]]
    assert "params.`learning_rate`" in _state(study)["selectedColumns"]


def test_no_axis_is_drawn_twice_against_itself(describe: Describe) -> None:
    scatter = _state(describe(metric="gap"))["compareRunCharts"][-1]
    assert scatter["xaxis"] != scatter["yaxis"]


def test_the_view_of_the_largest_space_fits_into_a_tag(describe: Describe) -> None:
    space = load_space(find_space_file("regularize"))
    parameters = {name: tuple(each.when or ()) for name, each in space.parameters.items()}
    study = describe(parameters=parameters, log_parameters=list(parameters))
    assert len(build_view_tag(study, RUN)[1]) < 5000


def test_the_ui_is_started_on_a_local_store_and_opened_on_a_server(
    store: Store, describe: Describe
) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    command = str(build_ui_command(store))
    assert f"-m mlflow ui --backend-store-uri {store.uri} --host 127.0.0.1 " in command
    assert command.endswith(" --port 5000")
    address = build_study_url(store, run_id)
    assert address.startswith(f"http://127.0.0.1:5000/#/experiments/{store.experiment_id}/runs?")

    server = Store("http://tracking:8080/", "3")
    assert build_ui_command(server) is None
    address = build_study_url(server, run_id)
    assert address.startswith("http://tracking:8080/#/experiments/3/runs?")


def test_a_container_prints_the_addresses_that_people_can_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Store("http://tracking:5000", "3")
    assert build_report_url(server, "run") is None
    monkeypatch.setenv("FER_TUNE_MLFLOW_URL", "http://localhost:5001/")
    page = build_report_url(server, "run")
    assert page == "http://localhost:5001/#/experiments/3/runs/run/artifacts/report.html"
    address = build_study_url(server, "run")
    assert address.startswith("http://localhost:5001/#/experiments/3/runs?")


def test_the_address_names_the_view_that_the_experiment_has(
    store: Store, describe: Describe
) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    key = build_study_url(store, run_id).partition("viewStateShareKey=")[2]
    experiment = store.client.get_experiment(store.experiment_id)
    assert f"mlflow.sharedViewState.{key}" in experiment.tags


def test_a_resumed_study_gets_a_view_if_it_had_none(store: Store, describe: Describe) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    key = f"mlflow.sharedViewState.{run_id}"
    store.client.delete_experiment_tag(store.experiment_id, key)
    EventRecorder(store, describe(), resume=True)
    assert key in store.client.get_experiment(store.experiment_id).tags


@pytest.mark.parametrize("has_finalists", [False, True])
def test_the_rows_of_the_view_are_the_trials(
    store: Store, describe: Describe, events: Events, has_finalists: bool
) -> None:
    study = describe(name=f"{describe().name} {has_finalists}", has_finalists=has_finalists)
    recorder = EventRecorder(store, study, resume=False)
    recorder.record_events(events(0))
    if has_finalists:
        recorder.record_events(events(2_000_000, repeat_of=0))
    run = store.client.get_run(recorder.run_id)
    state = json.loads(json.loads(build_view_tag(study, run)[1])["state"])
    rows = store.client.search_runs([store.experiment_id], state["searchFilter"])
    assert [row.info.run_name for row in rows] == ["trial 0"]
