import json
from collections.abc import Callable
from pathlib import Path

from fer_tune.events import Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking import tags
from fer_tune.tracking.find_study_run import find_parent_run
from fer_tune.tracking.queries import find_study, list_trials
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.rename_or_delete_runs import (
    delete_parent_runs,
    delete_runs,
    find_study_runs,
    rename_study_runs,
)
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.ui_view_and_links import VIEW_TAG_PREFIX

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]


def _list_views(store: Store) -> dict[str, str]:
    marks = store.client.get_experiment(store.experiment_id).tags
    return {
        key.removeprefix(VIEW_TAG_PREFIX): json.loads(value)["name"]
        for key, value in marks.items()
        if key.startswith(VIEW_TAG_PREFIX)
    }


def _retrain(store: Store, trial_run: str, name: str) -> tuple[str, str]:
    """Return the IDs of the runs of a retraining and of its seed."""
    client, marks = store.client, {tags.RETRAINED_RUN: trial_run}
    marks[tags.RETRAINED_STUDY] = name
    parent = client.create_run(store.experiment_id, tags=marks, run_name=f"retrained {name} 000")
    nested = marks | {tags.PARENT: parent.info.run_id}
    seed = client.create_run(store.experiment_id, tags=nested, run_name=f"retrained {name} 000 s")
    return parent.info.run_id, seed.info.run_id


def _evaluate(store: Store, seed_run: str) -> str:
    """Return the ID of the run of an evaluation of the seed's model."""
    marks = {tags.PARENT: seed_run, tags.EVALUATED_MODEL: "models:/m-0"}
    run = store.client.create_run(store.experiment_id, tags=marks)
    return str(run.info.run_id)


def test_a_deleted_study_leaves_no_artifact_and_no_view_but_its_registered_models(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    client, name = store.client, describe().name
    recorder = EventRecorder(store, describe(), resume=False)
    recorder.record_events(events(0, result(1), ending="finished"))
    other = EventRecorder(store, describe(name="neighbour"), resume=False)
    (trial,) = list_trials(store, find_study(store, name))
    unused, used = (_retrain(store, trial.run_id, name) for _ in range(2))
    evaluated = [_evaluate(store, seed) for _, seed in (unused, used)]
    client.create_registered_model("mine")
    client.create_model_version("mine", "s3://nowhere/model", used[1])
    folders = [
        Path(client.get_run(each).info.artifact_uri.removeprefix("file://"))
        for each in (recorder.run_id, trial.run_id)
    ]
    assert all(folder.exists() for folder in folders)

    runs = find_study_runs(store, name)
    assert runs.list_registered_models() == ["mine/1"]
    removable = {run.info.run_id for run in runs.list_removable()}
    assert removable == {*unused, evaluated[0], trial.run_id}
    delete_runs(store, runs.list_removable())
    delete_runs(store, find_study_runs(store, name).list_removable())  # once more does no harm
    delete_parent_runs(store, runs)
    assert not any(folder.parent.exists() for folder in folders)
    assert recorder.run_id not in _list_views(store)
    assert other.run_id in _list_views(store)
    assert find_parent_run(store, name) is find_parent_run(store, name, deleted=True) is None
    assert find_study_runs(store, name).parents == []
    for run_id in (used[1], evaluated[1]):
        assert client.get_run(run_id).info.lifecycle_stage == "active"
    assert client.get_run(evaluated[0]).info.lifecycle_stage == "deleted"


def test_a_study_deleted_in_mlflow_is_deleted_for_good(store: Store, describe: Describe) -> None:
    name = describe().name
    run_id = EventRecorder(store, describe(), resume=False).run_id
    store.client.delete_run(run_id)
    runs = find_study_runs(store, name)
    assert (runs.is_deleted, runs.is_running) == (True, False)
    delete_parent_runs(store, runs)
    assert find_study_runs(store, name).parents == []


def test_all_runs_of_a_renamed_study_have_the_new_name(
    store: Store, describe: Describe, events: Events
) -> None:
    client, name, new = store.client, describe().name, f"{describe().name}-new"
    recorder = EventRecorder(store, describe(), resume=False)
    recorder.record_events(events(0))
    recorder.record_events(events(2_000_000, repeat_of=0))
    (trial,) = list_trials(store, find_study(store, name))
    _, seed = _retrain(store, trial.run_id, name)
    assert find_study_runs(store, name).is_running
    rename_study_runs(store, find_study_runs(store, name), name, new)
    study = find_study(store, new)
    assert study.run_id == recorder.run_id
    assert [each.run_id for each in list_trials(store, study)] == [trial.run_id]
    (repeat,) = list_trials(store, study, tags.REPEAT)
    for run_id in (trial.run_id, repeat.run_id):
        assert client.get_run(run_id).data.tags[tags.STUDY] == new
    assert repeat.run_id in {
        run.info.run_id for run in find_study_runs(store, new).list_removable()
    }
    retrained = client.get_run(seed)
    assert retrained.data.tags[tags.RETRAINED_STUDY] == new
    assert retrained.info.run_name == f"retrained {new} 000 s"
    assert client.get_run(recorder.run_id).info.run_name == new
    assert _list_views(store)[recorder.run_id] == new
    assert find_parent_run(store, name) is None
