import math
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.read_options import ReadOptions
from fer_tune.events import Ending, Event
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking import tags
from fer_tune.tracking.choose_trial import choose_trial
from fer_tune.tracking.find_study_run import list_study_runs
from fer_tune.tracking.list_studies import list_studies
from fer_tune.tracking.queries import (
    StudyRun,
    find_study,
    find_trial,
    list_trials,
    load_metric_history,
)
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]


def test_an_unknown_study_is_reported_with_the_closest_names_first(
    store: Store, describe: Describe
) -> None:
    for name in ("dropout by hand", "zzz"):
        EventRecorder(store, describe(name=name), resume=False)
    with pytest.raises(UserError, match="it has dropout by hand, ") as caught:
        find_study(store, "dropout by hnad")
    assert "\n" not in str(caught.value)
    names = {run.data.tags[tags.STUDY] for run in list_study_runs(store)}
    assert {"dropout by hand", "zzz"} <= names


def test_a_study_is_found_whatever_its_name(store: Store, describe: Describe) -> None:
    name = """it's "quoted" `oddly` \\ 100 %"""
    recorder = EventRecorder(store, describe(name=name), resume=False)
    study = find_study(store, name)
    assert (study.run_id, study.ending, study.metric) == (recorder.run_id, None, "val/macro_f1")
    assert (study.epochs, study.data) == (4, None)


def test_trials_come_by_number_and_not_by_when_they_began(
    store: Store, describe: Describe, events: Events
) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    for number in (10, 2, 1):
        for event in events(number, ending="interrupted"):
            recorder.record_events([event])
    study = find_study(store, describe().name)
    found = list_trials(store, study)
    assert [trial.number for trial in found] == [1, 2, 10]
    assert [trial.ending for trial in found] == ["interrupted"] * 3
    assert [trial.best_metrics for trial in found] == [{}] * 3
    with pytest.raises(UserError, match="has trials 1 to 10"):
        find_trial(store, study, 7)
    with pytest.raises(UserError, match="no trial with a result yet"):
        choose_trial(store, study)


@pytest.mark.parametrize(("metric", "best"), [("val_f1/disgust", 1), ("val/loss", 0)])
def test_the_best_trial_is_found_by_any_metric(
    store: Store, describe: Describe, result: Result, events: Events, metric: str, best: int
) -> None:
    recorder = EventRecorder(store, describe(metric=metric), resume=False)
    for number, right, loss in ((0, 40, 0.5), (1, 76, 0.9)):
        for event in events(number, result(1, right, loss)):
            recorder.record_events([event])
    assert choose_trial(store, find_study(store, describe().name)).number == best


@pytest.mark.parametrize(("most", "best"), [(None, 2), (0.2, 1), (0.05, 0)])
def test_the_best_trial_keeps_to_the_largest_gap_or_comes_closest(
    store: Store,
    describe: Describe,
    result: Result,
    events: Events,
    most: float | None,
    best: int,
) -> None:
    recorder = EventRecorder(store, describe(settings={"epochs": 4, "max_gap": most}), resume=False)
    for number, gap in enumerate((0.1, 0.2, 0.3)):
        made = result(1, 40 + 10 * number)
        made = replace(made, metrics={**made.metrics, "gap": gap})
        recorder.record_events(events(number, made, ending="finished"))
    stopped = result(1, 50)
    stopped = replace(stopped, metrics={**stopped.metrics, "gap": 0.0})
    recorder.record_events(events(3, stopped, ending="stopped"))
    study = find_study(store, describe().name)
    assert study.max_gap == most
    assert choose_trial(store, study).number == best


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


def test_an_unknown_ending_counts_as_no_ending(store: Store, describe: Describe) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    store.client.set_tag(recorder.run_id, tags.ENDED, "cancelled")
    assert find_study(store, describe().name).ending is None


@pytest.mark.parametrize(
    "settings", [{"epochs": "0"}, {"epochs": "many"}, {}, {"epochs": "4", "split_rule": "new"}]
)
def test_a_study_that_something_else_wrote_gives_one_line(
    store: Store, describe: Describe, settings: dict[str, str]
) -> None:
    EventRecorder(store, describe(settings=settings), resume=False)
    with pytest.raises(UserError, match="is not as a study leaves it") as caught:
        find_study(store, describe().name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("depth", "99"), ("width", "wide"), ("command", "rm -r ."), (None, "x")]
)
def test_a_trial_that_something_else_wrote_gives_one_line(
    store: Store, describe: Describe, events: Events, name: str | None, value: str
) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    recorder.record_events(events(0))
    study, client = find_study(store, describe().name), store.client
    run = client.create_run(
        store.experiment_id,
        tags={tags.PARENT: study.run_id, tags.TRIAL: "1" if name else value},
    )
    client.log_param(run.info.run_id, name or "depth", value if name else 2)
    with pytest.raises(UserError, match="is not as a study leaves it") as caught:
        list_trials(store, study)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("number", "epoch"), [("x", 1.0), ("1", math.nan)])
def test_a_study_is_not_resumed_into_runs_that_something_else_wrote(
    store: Store, describe: Describe, number: str, epoch: float
) -> None:
    recorder, client = EventRecorder(store, describe(), resume=False), store.client
    marks = {tags.PARENT: recorder.run_id, tags.TRIAL: number}
    run = client.create_run(store.experiment_id, tags=marks)
    client.log_metric(run.info.run_id, tags.EPOCH, epoch)
    with pytest.raises(UserError, match="is not as a study leaves it"):
        EventRecorder(store, describe(), resume=True)


@pytest.mark.parametrize(
    "options", [ReadOptions(), ReadOptions(True, "1=happy,2=sad"), ReadOptions(split_rule="exact")]
)
def test_a_study_is_read_again_with_its_own_options(options: ReadOptions) -> None:
    settings = {name: str(value) for name, value in asdict(options).items() if value is not None}
    assert StudyRun("any", "1", None, "gap", {}, settings).read_options == options


def test_a_study_of_an_earlier_version_divides_its_faces_by_the_exact_rule() -> None:
    assert StudyRun("any", "1", None, "gap", {}, {}).read_options == ReadOptions(split_rule="exact")


def test_the_means_of_finalists_choose_the_best_trial_once_all_repeats_have_ended(
    store: Store, describe: Describe, result: Result, events: Events
) -> None:
    recorder = EventRecorder(store, describe(), resume=False)
    for number, right in enumerate((30, 70, 60)):
        recorder.record_events(events(number, result(1, right), ending="finished"))
    study = find_study(store, describe().name)
    assert choose_trial(store, study).number == 1
    last = 3_000_002
    for number, right in ((2_000_001, 40), (2_000_002, 60), (3_000_001, 40), (last, 60)):
        assert choose_trial(store, study).number == 1
        ending: Ending = "finished" if number != last else "interrupted"
        sent = events(number, result(1, right), ending=ending, repeat_of=number % 1_000_000)
        recorder.record_events(sent)
    assert choose_trial(store, study).number == 1
    recorder.record_events(events(last, ending="failed", repeat_of=2))
    assert choose_trial(store, study).number == 2
    assert [trial.number for trial in list_trials(store, study)] == [0, 1, 2]
    repeats = list_trials(store, study, tags.REPEAT)
    assert [repeat.number for repeat in repeats] == [2_000_001, 2_000_002, 3_000_001, last]
    (listed,) = (each for each in list_studies(store) if each.name == study.name)
    assert (listed.best_trial, listed.trials) == (2, {"completed": 3})
