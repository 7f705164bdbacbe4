import pytest

from fer_tune.scoring.finalist_means import RepeatResult, average_finalists


def _score(value: float, gap: float = 0.1) -> dict[str, float]:
    return {"val/macro_f1": value, "gap": gap, "val/loss": 9.0}


FIRSTS = {0: _score(0.6), 1: _score(0.5), 2: _score(0.4)}
ENDED = [RepeatResult(0, True, _score(0.4, 0.2)), RepeatResult(0, True, _score(0.5, 0.3))]


def test_a_finalist_has_the_means_over_its_trial_and_its_repeats() -> None:
    (means,) = average_finalists(FIRSTS, ENDED, "val/macro_f1").values()
    assert means == pytest.approx({"val/macro_f1": 0.5, "gap": 0.2})


def test_without_finalists_there_are_no_means() -> None:
    assert average_finalists(FIRSTS, [], "val/macro_f1") == {}


@pytest.mark.parametrize(
    "others", [[RepeatResult(1, True, _score(0.5))], [*ENDED[:1], RepeatResult(1, False, None)]]
)
def test_there_are_no_means_before_all_repeats_have_ended(others: list[RepeatResult]) -> None:
    assert average_finalists(FIRSTS, [*ENDED, *others], "val/macro_f1") == {}


def test_a_failed_repeat_does_not_count() -> None:
    failed = RepeatResult(1, True, None)
    one = average_finalists(FIRSTS, [failed, RepeatResult(1, True, _score(0.3))], "val/macro_f1")
    assert one[1]["val/macro_f1"] == pytest.approx(0.4)
    none = average_finalists(FIRSTS, [failed, failed], "val/macro_f1")
    assert none[1]["val/macro_f1"] == 0.5


def test_repeats_of_a_trial_that_is_gone_are_left_out() -> None:
    assert average_finalists({}, ENDED, "val/macro_f1") == {}
