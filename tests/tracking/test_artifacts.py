from collections.abc import Callable

from fer_tune.events import Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.artifacts import FILE, keep_report, logged_history, logged_text
from fer_tune.tracking.queries import find_study, find_trial
from fer_tune.tracking.recorder import Recorder
from fer_tune.tracking.run_info import StudyDescription
from fer_tune.tracking.store import Store

Describe = Callable[..., StudyDescription]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]


def test_the_epochs_of_a_trial_come_in_order_with_the_metrics_asked_for(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    Recorder(store, describe(), resume=False).record(
        events(0, *(result(number, 40 + number) for number in range(1, 12)))
    )
    trial = find_trial(store, find_study(store, describe().name), 0)
    history = logged_history(store, trial, ["val/macro_f1", "gap"])
    assert [each.epoch for each in history] == list(range(1, 12))
    assert history[3].metrics == {
        name: result(4, 44).metrics[name] for name in ("val/macro_f1", "gap")
    }
    assert logged_history(store, trial, ["gap", "nothing"]) == []


def test_a_report_replaces_the_one_before_it(store: Store, describe: Describe) -> None:
    run_id = Recorder(store, describe(), resume=False).run_id
    assert logged_text(store, run_id, FILE) is None
    study = find_study(store, describe().name)
    for page in ("one", "ärger"):
        keep_report(store, study, page)
    assert logged_text(store, run_id, FILE) == "ärger"
