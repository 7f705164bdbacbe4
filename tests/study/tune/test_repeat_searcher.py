from ray.tune.search import Searcher

from fer_tune.study.planned_repeats import PlannedRepeat
from fer_tune.study.tune.failure import TrialFailure
from fer_tune.study.tune.repeat_searcher import RepeatSearcher
from tests.finalists import make_trial

REPEATS = [PlannedRepeat(make_trial(number, 0.5), 2) for number in range(2)]
MEMORY = {"failure": TrialFailure("memory", "OutOfMemoryError: CUDA"), "epoch": 0}


def test_each_repeat_is_handed_out_once() -> None:
    searcher = RepeatSearcher(REPEATS, 0)
    assert [searcher.suggest("a"), searcher.suggest("b")] == [
        repeat.build_config(0) for repeat in REPEATS
    ]
    assert searcher.suggest("c") == Searcher.FINISHED
    searcher.on_trial_complete("a", {"epoch": 9})
    searcher.on_trial_complete("b", error=True)
    assert searcher.suggest("c") == Searcher.FINISHED


def test_a_repeat_out_of_memory_comes_again_with_a_whole_gpu() -> None:
    searcher = RepeatSearcher(REPEATS, 0.5)
    searcher.suggest("a"), searcher.suggest("b")
    assert searcher.suggest("c") is None  # Ray waits, since one may come again
    searcher.on_trial_complete("a", MEMORY)
    assert searcher.suggest("c") == REPEATS[0].build_config(1.0)
    searcher.on_trial_complete("c", MEMORY)
    searcher.on_trial_complete("b", {"epoch": 9})
    assert searcher.suggest("d") == Searcher.FINISHED
