"""Several of the commands at the same time, on one machine and one store."""

from pathlib import Path

import pytest

from tests.faults.studies import SMALL, Running, require_recorded, require_whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STORAGE = Path("mlruns/studies")
TINY = [*SMALL, "--trials", "2", "--epochs", "2", "--concurrent", "1"]


def test_two_studies_begun_at_once_share_a_new_store(tmp_path: Path) -> None:
    names = ["demo-one", "demo-two"]
    both = [Running(["fer_tune.search", *TINY, "--study", name], tmp_path, name) for name in names]
    for study in both:
        assert study.ended() == 0, study.output
    for name in names:
        trials = require_whole(tmp_path / STORAGE, name)
        require_recorded(str(tmp_path / "mlruns"), name, trials)


@pytest.mark.parametrize("resumed", [False, True])
def test_of_one_study_begun_twice_the_second_is_refused_with_the_way_out(
    tmp_path: Path, resumed: bool
) -> None:
    begin = ["fer_tune.search", *TINY, "--study", "demo-same"]
    if resumed:
        stopped = Running([*begin, "--time-budget", "1s"], tmp_path, "before")
        assert stopped.ended() == 0, stopped.output
        begin = ["fer_tune.search", "--resume", "demo-same"]
    both = [Running(begin, tmp_path, name) for name in ("first", "second")]
    codes = [study.ended() for study in both]
    assert sorted(codes) == [0, 2], [study.output for study in both]
    refused = both[codes.index(2)].output.strip().splitlines()[-1]
    assert refused.startswith("error: study demo-same is")
    assert "running already" in refused or "--resume demo-same" in refused
    require_recorded(
        str(tmp_path / "mlruns"), "demo-same", require_whole(tmp_path / STORAGE, "demo-same")
    )


def test_two_retrainings_of_one_study_do_not_disturb_each_other(tmp_path: Path) -> None:
    study = Running(["fer_tune.search", *TINY, "--study", "demo-again"], tmp_path, "study")
    assert study.ended() == 0, study.output
    again = ["fer_tune.retrain", "--study", "demo-again", "--epochs", "2"]
    trials = [[*again, "--trial", number] for number in ("0", "1")]
    both = [Running(each, tmp_path, f"retrain-{index}") for index, each in enumerate(trials)]
    for each in both:
        assert each.ended() == 0, each.output
        assert "macro F1" in each.output


def test_the_same_retraining_twice_at_once_is_refused(tmp_path: Path) -> None:
    study = Running(["fer_tune.search", *TINY, "--study", "demo-again"], tmp_path, "study")
    assert study.ended() == 0, study.output
    again = ["fer_tune.retrain", "--study", "demo-again", "--epochs", "12"]
    both = [Running(again, tmp_path, f"retrain-{index}") for index in range(2)]
    codes = [each.ended() for each in both]
    assert sorted(codes) == [0, 2], [each.output for each in both]
    assert "is running already" in both[codes.index(2)].output
