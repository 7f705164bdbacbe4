from fer_tune.study.ranking import rank_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal.finalists_summary import describe_finalists
from tests.finalists import METRIC, add_repeat, make_trial


def _describe(*finalists: TrialRecord, metric: str = METRIC) -> str:
    return describe_finalists(rank_trials(finalists, metric), metric)


def test_the_text_says_which_trial_the_means_chose_and_what_the_first_scores_promised() -> None:
    assert _describe(make_trial(1, 0.6, 0.4, 0.4), make_trial(2, 0.5, 0.5, 0.5)) == (
        "Of 2 finalists, the means over the seeds chose trial 002, with a mean macro F1 of 0.500. "
        "The first score flattered the finalists: on average, it is 0.550, and with the further "
        "seeds 0.450 (+0.100)."
    )


def test_first_scores_that_are_worse_than_the_others_did_not_flatter() -> None:
    assert "did not flatter" in _describe(make_trial(1, 0.4, 0.5, 0.5))
    assert "flattered" in _describe(make_trial(1, 0.1, 0.1, 0.1, gaps=0.3), metric="gap")


def test_failed_repeats_say_nothing_about_the_first_score() -> None:
    assert "it is 0.400, and with the further seeds 0.300" in _describe(
        make_trial(1, 0.4, 0.3, None), make_trial(2, 0.2, None, None)
    )
    assert _describe(make_trial(1, 0.4, None, None)).endswith("None of their repeats is completed.")


def test_before_all_repeats_have_ended_the_first_scores_decide() -> None:
    second = make_trial(2, 0.5)
    add_repeat(second, 2, ending="interrupted")
    assert _describe(make_trial(1, 0.6, 0.4, 0.4), second) == (
        "Repeats of the finalists that have ended so far: 2. Until all have, the first scores "
        "decide which trial is best."
    )
