import io
import threading
import time

import pytest
from rich.console import Console

from fer_tune.events import EpochEnded, Event, Observer, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.search_space.space import BestTrialConstraints, MetricLimit
from fer_tune.terminal.live_table import LiveTable
from fer_tune.trial_config import TrialConfig
from tests.settings import make_settings

SETTINGS = make_settings("shown", "smoke", load_space(find_space_file("smoke")), trials=40)


class _Table(LiveTable):
    """A live table with records of its own, which get each event first."""

    def __init__(
        self, console: Console, settings: StudySettings = SETTINGS, budget: float | None = None
    ) -> None:
        self.records = TrialRecords()
        super().__init__(console, settings, self.records, budget)

    def on_event(self, event: Event) -> None:
        self.records.on_event(event)
        super().on_event(event)


def _result(epoch: int, score: float, gap: float = 0.1) -> EpochResult:
    return EpochResult(epoch, {"val/macro_f1": score, "val/accuracy": score, "gap": gap}, [])


def _start(number: int) -> TrialStarted:
    return TrialStarted(number=number, name=f"{number:03d} lr 3e-4 depth 4", config=TrialConfig())


def _feed(observer: Observer, trials: int) -> None:
    for number in range(trials):
        observer.on_event(_start(number))
        observer.on_event(EpochEnded(number=number, result=_result(1, number / 100)))
        if number % 3:
            observer.on_event(TrialEnded(number=number, ending="stopped"))


def _render(table: LiveTable, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table.render_table())
    return capture.get()


def test_the_table_has_the_names_of_the_trials_and_the_columns_of_the_summary() -> None:
    table = _Table(Console(file=io.StringIO(), width=80))
    _feed(table, 2)
    assert [" ".join(line.split()) for line in _render(table).splitlines()[1:]] == [
        "best macro",
        "trial status epoch F1 accuracy gap",
        "000 lr 3e-4 depth 4 running 1 of 1 0.000 0.000 0.100",
        "001 lr 3e-4 depth 4 pruned 1 of 1 0.010 0.010 0.100",
    ]


@pytest.mark.parametrize("width", [32, 40, 60])
def test_the_table_shows_whole_scores_in_a_narrow_terminal(width: int) -> None:
    table = _Table(Console(file=io.StringIO(), width=width))
    _feed(table, 2)
    lines = _render(table, width).splitlines()
    assert max(map(len, lines)) <= width
    (last,) = (line.split() for line in lines if "pruned" in line)
    assert last[0] == "001"
    assert last[-2:] == ["0.010", "0.100"] or last[-3:] == ["0.010", "0.010", "0.100"]


def test_the_best_so_far_satisfies_the_constraint() -> None:
    space = load_space(find_space_file("smoke")).model_copy(
        update={"constraints": BestTrialConstraints(gap=MetricLimit(at_most=0.2))}
    )
    table = _Table(Console(file=io.StringIO()), make_settings("shown", "smoke", space, epochs=2))
    for number, score, gap, ending in ((0, 0.9, 0.3, "finished"), (1, 0.8, 0.1, "stopped")):
        table.on_event(_start(number))
        table.on_event(EpochEnded(number=number, result=_result(1, score, gap)))
        table.on_event(TrialEnded(number=number, ending=ending))
        assert "done, none with a gap of at most 0.2 yet" in _render(table)
    table.on_event(_start(2))
    table.on_event(EpochEnded(number=2, result=_result(1, 0.5)))
    table.on_event(TrialEnded(number=2, ending="finished"))
    assert "done, best 0.500" in _render(table)


def test_the_table_shows_what_runs_the_best_so_far_and_the_time_left() -> None:
    table = _Table(Console(file=io.StringIO(), width=80))
    _feed(table, 5)
    text = _render(table)
    assert "3 of 40 trials done, best 0.040, about" in text
    assert text.count("running") == 2
    assert "1 of 1" in text


def test_a_study_that_is_done_has_no_time_left() -> None:
    table = _Table(Console(file=io.StringIO(), width=80))
    _feed(table, 40)
    assert "left" in _render(table)
    for number in range(40):
        table.on_event(TrialEnded(number=number, ending="finished"))
    assert "left" not in _render(table)


def test_a_study_says_that_no_trial_has_started_yet(
    capsys: pytest.CaptureFixture[str], said_step: threading.Event
) -> None:
    with _Table(Console(file=io.StringIO(), width=80)) as table:
        said_step.wait(10)
        assert "0 of 40 trials done, waiting for a worker to start a trial" in _render(table)
        _feed(table, 1)
        assert "waiting" not in _render(table)
        table.on_event(TrialEnded(number=0, ending="interrupted"))  # the study is stopped
        assert "waiting" not in _render(table)
    assert capsys.readouterr().err == "waiting for a worker to start a trial ...\n"


def test_a_study_of_one_trial_reads_well() -> None:
    settings = SETTINGS.model_copy(update={"trials": 1, "epochs": 1})
    log = io.StringIO()
    with _Table(Console(file=log, width=200), settings) as table:
        table.on_event(_start(0))
        table.on_event(EpochEnded(number=0, result=_result(1, 0.5)))
    assert _render(table).splitlines()[0].rstrip() == "shown: 0 of 1 trial done, best 0.500"
    assert log.getvalue() == "trial 000: epoch 1 of 1, macro F1 0.500, gap 0.100\n"


def test_a_long_study_does_not_outgrow_the_screen() -> None:
    table = _Table(Console(file=io.StringIO(), width=80))
    _feed(table, 12)
    for number in (0, 3, 6, 9):
        table.on_event(TrialEnded(number=number, ending="finished"))
    _feed(table, 36)
    lines = _render(table).splitlines()
    assert len(lines) <= 16
    assert max(len(line) for line in lines) <= 80


def test_a_pipe_gets_a_line_for_every_trial_that_ends() -> None:
    written = io.StringIO()
    with _Table(Console(file=written, width=200)) as table:
        _feed(table.records, 2)  # by an earlier process, which printed its lines
        _feed(table, 5)
        error = "Traceback\n...\nDiverged: the loss became nan"
        table.on_event(TrialEnded(number=3, ending="failed", error=error))
    first, *lines = written.getvalue().splitlines()
    assert first.startswith("trial 000: epoch 1 of 9, macro F1 0.000, gap 0.100, about ")
    assert len(lines) == 4
    assert lines[0].startswith("trial 001 pruned after 1 epoch, macro F1 0.010, gap 0.100")
    assert "Diverged: the loss became nan" in lines[-1]


def test_a_paused_trial_is_shown_as_paused_until_it_resumes_or_ends() -> None:
    table = _Table(Console(file=io.StringIO(), width=80))
    _feed(table, 3)
    for number in (0, 1):
        table.on_event(TrialEnded(number=number, ending="paused"))
    assert "1 of 40 trials done, 2 paused, best 0.020" in _render(table)
    first = " ".join(_render(table).splitlines()[-3].split())
    assert first.startswith("000 lr 3e-4 depth 4 paused 1 of 1 ")
    table.on_event(_start(0))
    assert "1 of 40 trials done, 1 paused" in _render(table)
    table.on_event(TrialEnded(number=1, ending="stopped"))
    assert "2 of 40 trials done, best" in _render(table)


def test_a_pipe_gets_no_second_line_if_a_paused_trial_is_pruned() -> None:
    written = io.StringIO()
    with _Table(Console(file=written, width=200)) as table:
        _feed(table, 1)
        for ending in ("paused", "stopped"):
            table.on_event(TrialEnded(number=0, ending=ending))
    _, *ends = written.getvalue().splitlines()
    assert len(ends) == 1
    assert ends[0].startswith("trial 000 paused after 1 epoch,")


def test_a_pipe_gets_a_line_about_the_end_of_a_trial_that_resumed() -> None:
    written = io.StringIO()
    with _Table(Console(file=written, width=200)) as table:
        _feed(table, 1)
        for event in (TrialEnded(number=0, ending="paused"), _start(0)):
            table.on_event(event)
        table.on_event(TrialEnded(number=0, ending="finished"))
    assert [line.split()[2] for line in written.getvalue().splitlines()] == [
        "epoch",
        "paused",
        "completed",
    ]


def test_a_remark_about_a_trial_is_printed_once_when_it_happens() -> None:
    written = io.StringIO()
    with _Table(Console(file=written, width=200)) as table:
        _feed(table.records, 1)
        table.records.on_event(TrialRemarked(number=0, remark="its worker died long ago"))
        table.on_event(TrialRemarked(number=0, remark="its worker died"))
    assert written.getvalue() == "trial 000: its worker died\n"


def test_before_a_trial_ends_the_time_left_is_that_of_whole_trials_within_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    tables = [
        _Table(Console(file=io.StringIO(), width=80), SETTINGS, budget) for budget in (None, 600)
    ]
    for table in tables:
        table.on_event(_start(0))
    now += 60  # for one of 40 times 9 epochs
    for table, shown in zip(tables, ("5 h 59 min", "9 min"), strict=True):
        table.on_event(EpochEnded(number=0, result=_result(1, 0.5)))
        assert f"best 0.500, up to {shown} left" in _render(table)


FINALISTS = SETTINGS.model_copy(update={"trials": 2, "finalists": 1})


def _start_repeat(seed: int) -> TrialStarted:
    name = f"001 lr 3e-4 depth 4, seed {seed}"
    number = seed * 1_000_000 + 1
    return TrialStarted(number=number, name=name, config=TrialConfig(), repeat_of=1)


def test_repeats_of_finalists_are_shown_as_such() -> None:
    written = io.StringIO()
    with _Table(Console(file=written, width=200), FINALISTS) as table:
        _feed(table, 2)
        table.on_event(TrialEnded(number=0, ending="finished"))
        title = "2 of 2 trials done, 0 of 2 repeats, best 0.010, waiting for a worker"
        assert title in _render(table)
        table.on_event(_start_repeat(2))
        table.on_event(EpochEnded(number=2_000_001, result=_result(9, 0.03)))
        assert "0 of 2 repeats, best 0.010, about" in _render(table)
        assert "001 lr 3e-4 depth 4, seed 2" in _render(table, 120)
        table.on_event(TrialRemarked(number=2_000_001, remark="its worker died"))
        table.on_event(TrialEnded(number=2_000_001, ending="finished"))
        table.on_event(_start_repeat(3))
        table.on_event(EpochEnded(number=3_000_001, result=_result(9, 0.05)))
        table.on_event(TrialEnded(number=3_000_001, ending="finished"))
        assert _render(table).splitlines()[0].strip() == (
            "shown: 2 of 2 trials done, 2 of 2 repeats, best 0.030"
        )
    lines = written.getvalue().splitlines()
    assert "finalist 001, seed 2: epoch 9 of 9, macro F1 0.030, gap 0.100, about" in lines[-5]
    assert lines[-4] == "finalist 001, seed 2: its worker died"
    assert lines[-3].startswith("finalist 001, seed 2 completed after 1 epoch, macro F1 0.030")
    assert lines[-1].startswith("finalist 001, seed 3 completed after 1 epoch, macro F1 0.050")


def test_the_time_left_includes_the_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    table = _Table(Console(file=io.StringIO(), width=80), FINALISTS)
    table.on_event(_start(0))
    now += 60  # for one of 9 epochs of two trials and two repeats
    table.on_event(EpochEnded(number=0, result=_result(1, 0.5)))
    assert "up to 35 min left" in _render(table)
    for epoch in range(2, 10):
        table.on_event(EpochEnded(number=0, result=_result(epoch, 0.5)))
    table.on_event(TrialEnded(number=0, ending="finished"))
    table.on_event(_start(1))
    table.on_event(TrialEnded(number=1, ending="failed"))
    now += 8 * 60
    finalist = {"number": 2_000_000, "repeat_of": 0}
    table.on_event(_start_repeat(2).model_copy(update=finalist))
    table.on_event(EpochEnded(number=2_000_000, result=_result(1, 0.5)))
    assert "about 15 min left" in _render(table)  # 17 epochs, at 540 s for 10
