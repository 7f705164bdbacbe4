from collections.abc import Callable

from fer_tune.events import Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.artifacts import (
    REPORT_FILE,
    load_metric_history,
    log_report,
    read_text_artifact,
)
from fer_tune.tracking.queries import find_study, find_trial
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.run_info import StudyInfo
from fer_tune.tracking.store import Store

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]


def test_the_epochs_of_a_trial_come_in_order_with_the_metrics_asked_for(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    EventRecorder(store, describe(), resume=False).record_events(
        events(0, *(result(number, 40 + number) for number in range(1, 12)))
    )
    trial = find_trial(store, find_study(store, describe().name), 0)
    history = load_metric_history(store, trial, ["val/macro_f1", "gap"])
    assert [each.epoch for each in history] == list(range(1, 12))
    assert history[3].metrics == {
        name: result(4, 44).metrics[name] for name in ("val/macro_f1", "gap")
    }
    assert load_metric_history(store, trial, ["gap", "nothing"]) == []


def test_a_report_replaces_the_one_before_it(store: Store, describe: Describe) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    assert read_text_artifact(store, run_id, REPORT_FILE) is None
    study = find_study(store, describe().name)
    for page in ("one", "ärger"):
        log_report(store, study, page)
    assert read_text_artifact(store, run_id, REPORT_FILE) == "ärger"
