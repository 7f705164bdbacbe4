from collections.abc import Callable

from fer_tune.events import Event, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.tracking.find_study_run import find_parent_run
from fer_tune.tracking.log10_parameters import compute_log10_params
from fer_tune.tracking.queries import find_study, list_trial_runs, list_trials
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.trial_config import BASELINE, TrialConfig

Describe = Callable[..., StudyInfo]
Result = Callable[..., EpochResult]
Events = Callable[..., list[Event]]

LOG = ("learning_rate", "hidden_1")


def _params(store: Store, name: str) -> list[dict[str, str]]:
    parent = find_parent_run(store, name)
    assert parent is not None
    return [run.data.params for run in list_trial_runs(store, parent.info.run_id)]


def test_logarithms_have_four_digits_and_only_of_parameters_that_a_trial_has() -> None:
    assert compute_log10_params({"learning_rate": 3e-4, "depth": 3}, LOG) == {
        "log10_learning_rate": "-3.523"
    }
    assert compute_log10_params({"hidden_1": "1000"}, LOG) == {"log10_hidden_1": "3"}


def test_a_trials_run_has_the_logarithms_and_reads_back_without_them(
    store: Store, describe: Describe, events: Events, result: Result
) -> None:
    config = TrialConfig(learning_rate=1e-3, head="average")
    recorder = EventRecorder(store, describe(log_parameters=LOG), resume=False)
    started = TrialStarted(number=0, name="000", config=config, absent=("hidden_1",))
    recorder.record_events([started, *events(0, result(1), ending="finished")[1:]])
    (params,) = _params(store, describe().name)
    assert params["log10_learning_rate"] == "-3"
    assert "log10_hidden_1" not in params
    (trial,) = list_trials(store, find_study(store, describe().name))
    assert trial.config == config


def test_a_resumed_trial_keeps_the_name_it_began_with(
    store: Store, describe: Describe, events: Events, result: Result
) -> None:
    first, *epochs = events(0, result(1))
    again = TrialStarted(number=0, name="000 another name", config=BASELINE)
    EventRecorder(store, describe(), resume=False).record_events([first, *epochs, again])
    (trial,) = list_trials(store, find_study(store, describe().name))
    assert trial.name == "trial 0"
