import pytest

from fer_tune.scoring.finalist_means import average_finalists


def _score(value: float, gap: float = 0.1) -> dict[str, float]:
    return {"val/macro_f1": value, "gap": gap, "val/loss": 9.0}


FIRSTS = {0: _score(0.6), 1: _score(0.5), 2: _score(0.4)}
ENDED = {0: [_score(0.4, 0.2), _score(0.5, 0.3)]}


def test_a_finalist_has_the_means_over_its_trial_and_its_repeats() -> None:
    (means,) = average_finalists(FIRSTS, ENDED, "val/macro_f1").values()
    assert means == pytest.approx({"val/macro_f1": 0.5, "gap": 0.2})


def test_without_finalists_there_are_no_means() -> None:
    assert average_finalists(FIRSTS, {}, "val/macro_f1") == {}


@pytest.mark.parametrize("other", [[_score(0.5)], [None], []])
def test_there_are_no_means_before_all_repeats_have_ended(
    other: list[dict[str, float] | None],
) -> None:
    assert average_finalists(FIRSTS, {**ENDED, 1: other}, "val/macro_f1") == {}


def test_a_failed_repeat_does_not_count() -> None:
    one = average_finalists(FIRSTS, {1: [None, _score(0.3)]}, "val/macro_f1")
    assert one[1]["val/macro_f1"] == pytest.approx(0.4)
    none = average_finalists(FIRSTS, {1: [None, None]}, "val/macro_f1")
    assert none[1]["val/macro_f1"] == 0.5


def test_repeats_of_a_trial_that_is_gone_are_left_out() -> None:
    assert average_finalists({}, ENDED, "val/macro_f1") == {}
