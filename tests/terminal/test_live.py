import io

from rich.console import Console

from fer_tune.events import EpochEnded, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.study.space import find_space, read_space
from fer_tune.terminal.live import LiveTable
from fer_tune.terminal.tables import duration
from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import EpochResult
from tests.settings import made

SETTINGS = made("shown", "smoke", read_space(find_space("smoke")), trials=40)


def _result(epoch: int, score: float) -> EpochResult:
    return EpochResult(epoch, {"val/macro_f1": score, "gap": 0.1}, [])


def _told(table: LiveTable, trials: int) -> None:
    for number in range(trials):
        table.tell(TrialStarted(number=number, name="", config=TrialConfig()))
        table.tell(EpochEnded(number=number, result=_result(1, number / 100)))
        if number % 3:
            table.tell(TrialEnded(number=number, ending="stopped"))


def _shown(table: LiveTable) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table.table())
    return capture.get()


def test_the_table_shows_what_runs_the_best_so_far_and_the_time_left() -> None:
    table = LiveTable(Console(file=io.StringIO()), SETTINGS)
    _told(table, 5)
    shown = _shown(table)
    assert "3 of 40 trials ended, best 0.040, about" in shown
    assert shown.count("running") == 2
    assert "1/9" in shown


def test_a_long_study_does_not_outgrow_the_screen() -> None:
    table = LiveTable(Console(file=io.StringIO()), SETTINGS)
    _told(table, 12)
    for number in (0, 3, 6, 9):
        table.tell(TrialEnded(number=number, ending="finished"))
    _told(table, 36)
    lines = _shown(table).splitlines()
    assert len(lines) <= 16
    assert max(len(line) for line in lines) <= 80


def test_into_a_pipe_goes_a_line_for_each_trial_that_ends() -> None:
    written = io.StringIO()
    with LiveTable(Console(file=written, width=200), SETTINGS) as table:
        _told(table, 2)  # by an earlier process, which said so then
        table.start_clock()
        _told(table, 5)
        error = "Traceback\n...\nDiverged: the loss became nan"
        table.tell(TrialEnded(number=3, ending="failed", error=error))
    lines = written.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("trial 001 stopped after 1 epochs, val/macro_f1 0.010")
    assert "Diverged: the loss became nan" in lines[-1]


def test_what_is_remarked_of_a_trial_is_told_once_when_it_happens() -> None:
    written = io.StringIO()
    with LiveTable(Console(file=written, width=200), SETTINGS) as table:
        _told(table, 1)
        table.tell(TrialRemarked(number=0, remark="its worker died long ago"))
        table.start_clock()
        table.tell(TrialRemarked(number=0, remark="its worker died"))
    assert written.getvalue() == "trial 000: its worker died\n"


def test_durations_read_as_people_say_them() -> None:
    said = [duration(seconds) for seconds in (5, 59.4, 61, 3599, 12_000)]
    assert said == ["5 s", "59 s", "1 min", "1 h 0 min", "3 h 20 min"]
