from collections.abc import Callable

import pytest

from fer_tune.errors import UserError
from fer_tune.tracking.events import StudyDescription
from fer_tune.tracking.store import Store
from fer_tune.tracking.studies import find_study, study_names, trials
from fer_tune.tracking.study_run import StudyRun
from fer_tune.tracking.ui import study_address, ui_command
from fer_tune.training.config import PAPER

Describe = Callable[..., StudyDescription]


def test_an_unknown_study_is_told_with_the_closest_names_first(
    store: Store, describe: Describe
) -> None:
    for name in ("dropout by hand", "zzz"):
        StudyRun(store, describe(name=name)).close("finished")
    with pytest.raises(UserError, match="it has dropout by hand, ") as caught:
        find_study(store, "dropout by hnad")
    assert "\n" not in str(caught.value)
    assert {"dropout by hand", "zzz"} <= set(study_names(store))


def test_a_study_is_found_whatever_its_name(store: Store, describe: Describe) -> None:
    name = """it's "quoted" `oddly` \\ 100 %"""
    with StudyRun(store, describe(name=name)) as run:
        run.close("finished")
    study = find_study(store, name)
    assert (study.run_id, study.ending, study.metric) == (run.run_id, "finished", "val/macro_f1")


def test_trials_come_by_number_and_not_by_when_they_began(store: Store, describe: Describe) -> None:
    with StudyRun(store, describe()) as run:
        for number in (10, 2, 1):
            run.trial_started(number, f"trial {number}", PAPER)
        run.close("interrupted")
    found = trials(store, find_study(store, describe().name))
    assert [trial.number for trial in found] == [1, 2, 10]
    assert [trial.ending for trial in found] == ["interrupted"] * 3
    assert [trial.best for trial in found] == [{}] * 3


def test_the_ui_is_started_on_a_local_store_and_opened_on_a_server(
    store: Store, describe: Describe
) -> None:
    StudyRun(store, describe(metric="val/loss")).close("finished")
    study = find_study(store, describe().name)
    assert ui_command(store) == f"mlflow ui --backend-store-uri {store.uri} --port 5000"
    address = study_address(store, study)
    assert address.startswith(f"http://127.0.0.1:5000/#/experiments/{store.experiment_id}/runs?")
    assert study.run_id in address
    assert "best%2Floss" in address
    assert address.endswith("orderByAsc=true")

    server = Store("http://tracking:8080/", "3")
    assert ui_command(server) is None
    assert study_address(server, study).startswith("http://tracking:8080/#/experiments/3/runs?")
