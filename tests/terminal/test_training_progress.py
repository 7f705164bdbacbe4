import io
import time

import pytest
from rich.console import Console

from fer_tune.scoring.metrics import EpochResult
from fer_tune.terminal.training_progress import EpochLines, SeedProgress


class _Clock:
    """A clock that a test moves."""

    seconds = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.seconds)
    return clock


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


def _result(epoch: int, seconds: float = 0.0) -> EpochResult:
    metrics = {"val/macro_f1": 0.5, "val/loss": 1.25, "gap": 0.081}
    return EpochResult(epoch, metrics, [], seconds)


def test_a_log_gets_the_first_epoch_then_one_every_few_seconds_and_the_last(
    clock: _Clock,
) -> None:
    lines, shown = EpochLines("val/macro_f1", epochs=12), list[int]()
    for epoch in range(1, 13):
        shown += [epoch] * lines.claim_line(epoch)
        clock.seconds += 1
    assert shown == [1, 6, 11, 12]
    line = lines.format_epoch("trial 003", _result(1), "about 3 min left")
    assert line == "trial 003: epoch 1 of 12, macro F1 0.500, gap 0.081, about 3 min left"


@pytest.mark.parametrize(("metric", "scores"), [("val/loss", "loss 1.250, gap"), ("gap", "gap")])
def test_the_metric_of_the_study_is_shown(metric: str, scores: str) -> None:
    line = EpochLines(metric, epochs=9).format_epoch("trial 003", _result(1), "")
    assert line == f"trial 003: epoch 1 of 9, {scores} 0.081"


def test_the_time_left_of_a_seed_contains_the_later_seeds(log: io.StringIO) -> None:
    console = Console(file=log, width=200)
    with SeedProgress(console, "seed 0 (1 of 3)", "val/loss", 4, later_seeds=2) as progress:
        progress.show_epoch(_result(1, seconds=60), is_new=True)
    with SeedProgress(console, "seed 2 (3 of 3)", "val/loss", 4, later_seeds=0) as progress:
        progress.show_epoch(_result(4), is_new=True)
    assert log.getvalue().splitlines() == [
        "seed 0 (1 of 3): epoch 1 of 4, loss 1.250, gap 0.081, about 11 min left",
        "seed 2 (3 of 3): epoch 4 of 4, loss 1.250, gap 0.081",
    ]


def test_a_resumed_training_begins_with_its_next_epoch(log: io.StringIO) -> None:
    with SeedProgress(Console(file=log, width=200), "seed 0", "gap", 30, 0) as progress:
        for epoch in range(1, 22):
            progress.show_epoch(_result(epoch, seconds=2), is_new=epoch > 20)
    assert log.getvalue() == "seed 0: epoch 21 of 30, gap 0.081, about 18 s left\n"


@pytest.mark.parametrize("width", [40, 80])
def test_a_terminal_gets_one_line_that_is_drawn_again(width: int) -> None:
    log = io.StringIO()
    console = Console(file=log, width=width, force_terminal=True, highlight=False)
    with SeedProgress(console, "baseline, seed 0", "gap", 2, 0) as progress:
        for epoch in (1, 2):
            progress.show_epoch(_result(epoch), is_new=True)
    last = log.getvalue().split("epoch 1 of 2")[1]
    assert "baseline, seed 0: epoch 2 of 2, gap 0.081" in " ".join(last.split())
