from collections.abc import Callable

from fer_tune.events import Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking import tags
from fer_tune.tracking.list_studies import list_studies
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]


def test_the_list_has_the_trials_of_each_study_by_status_and_the_best(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    first = EventRecorder(store, describe(name="first", storage="s3://faces"), resume=False)
    for number, ending in enumerate(("finished", "stopped", "stopped", "interrupted")):
        first.record_events(events(number, result(1, 40 + 10 * number), ending=ending))
    second = EventRecorder(store, describe(name="second"), resume=False)
    second.record_events(events(0, ending=None))
    one, other = [each for each in list_studies(store) if each.name in ("first", "second")]
    assert (one.name, one.run_id, one.storage) == ("first", first.run_id, "s3://faces")
    assert one.trials == {"completed": 1, "pruned": 2, "interrupted": 1}
    assert (one.best_trial, one.score) == (3, result(1, 70).metrics["val/macro_f1"])
    assert one.gap == result(1, 70).metrics["gap"]
    assert (other.name, other.trials, other.storage) == ("second", {"running": 1}, None)
    assert (other.best_trial, other.score, other.gap) == (None, None, None)
    assert {one.status, other.status} == {"running"}


def test_a_study_deleted_in_mlflow_is_listed_and_a_removed_one_is_not(
    store: Store, describe: Describe
) -> None:
    runs = [EventRecorder(store, describe(name=name), resume=False).run_id for name in "xyz"]
    client = store.client
    client.set_tag(runs[1], tags.REMOVED, "true")
    for run_id in runs[:2]:
        client.delete_run(run_id)
    found = [(study.name, study.status) for study in list_studies(store)]
    assert [each for each in found if each[0] in "xyz"] == [("z", "running"), ("x", "deleted")]
