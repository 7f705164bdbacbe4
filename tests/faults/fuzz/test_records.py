"""The files of a study damaged at random; see `damage`."""

import io
import json
import re
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.trial_data import TrialData
from fer_tune.defaults import SchedulerName
from fer_tune.events import EpochEnded, Event, TrialEnded, TrialRemarked, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.checkpoint_pruner import CheckpointPruner
from fer_tune.study.records.event_log import FILE as JOURNAL
from fer_tune.study.records.event_log import read_checked_trials, read_events
from fer_tune.study.records.settings import FILE as SETTINGS
from fer_tune.study.records.settings import read_settings
from fer_tune.study.records.trial_record import TrialRecords
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.tune.ray_scheduler import StudyScheduler
from fer_tune.study.tune.searcher import StudySearcher
from fer_tune.terminal import study_summary
from fer_tune.terminal.live_table import LiveTable
from fer_tune.trial import checkpoint
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial_config import TrialConfig
from tests.faults.fuzz.damage import DAMAGE, NUMBERS, VALUES, check_message, damaged, fuzzed
from tests.settings import make_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


STUDY = make_settings("tested", "paper", load_space(find_space_file("paper")), trials=4)


@st.composite
def jsons(draw: st.DrawFn, sound: list[bytes]) -> bytes:
    """These lines, some of them lost, doubled, swapped or changed, or a value in them."""
    lines = list(sound)
    for _ in range(draw(st.integers(0, 3))):
        at, other = (draw(st.integers(0, len(lines))) % len(lines) for _ in range(2))
        match draw(st.sampled_from(["drop", "double", "swap", "value", "number", "damage"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(other, lines[at])
            case "swap":
                lines[at], lines[other] = lines[other], lines[at]
            case "damage":
                lines[at] = damaged(lines[at], [draw(DAMAGE)])
            case "number":
                numbers = list(re.finditer(rb"\d+", lines[at]))
                if numbers:
                    start, end = draw(st.sampled_from(numbers)).span()
                    number = str(draw(NUMBERS)).encode()
                    lines[at] = lines[at][:start] + number + lines[at][end:]
            case "value":
                content = json.loads(sound[at % len(sound)])
                content[draw(st.sampled_from([*content]))] = draw(VALUES)
                lines[at] = json.dumps(content).encode() + b"\n"
    return b"".join(lines)


@fuzzed(500)
@given(jsons([STUDY.model_dump_json().encode()]))
def test_settings_of_any_content(place: Path, content: bytes) -> None:
    (place / "tested").mkdir(exist_ok=True)
    (place / "tested" / SETTINGS).write_bytes(content)
    try:
        _, found = read_settings(place, "tested")
    except UserError as error:
        check_message(error)
    else:
        assert found.name == "tested"
        assert found.space.list_first_points()


def list_events() -> list[Event]:
    """Three trials: one finished, one stopped, one cut off."""
    events: list[Event] = []
    for number, (depth, epochs) in enumerate([(3, 9), (2, 1), (5, 2)]):
        config = TrialConfig(depth=depth)
        events.append(TrialStarted(number=number, name=f"{number:03d}", config=config))
        for epoch in range(1, epochs + 1):
            metrics = {"val/macro_f1": 0.1 * depth, "val/accuracy": 0.5, "gap": 0.1}
            result = EpochResult(epoch, metrics, [[1, 2], [3, 4]])
            events.append(EpochEnded(number=number, result=result))
    return [
        *events,
        TrialEnded(number=0, ending="finished"),
        TrialEnded(number=1, ending="stopped"),
        TrialEnded(number=2, ending="paused"),
        TrialStarted(number=2, name="002", config=TrialConfig(depth=5)),
        TrialRemarked(number=2, remark="its worker died"),
        TrialEnded(number=2, ending="failed", error="a\nb"),
    ]


@pytest.mark.parametrize("kind", get_args(SchedulerName))
@fuzzed(500)
@given(jsons([event.model_dump_json().encode() + b"\n" for event in list_events()]))
def test_a_journal_of_any_content(place: Path, kind: SchedulerName, content: bytes) -> None:
    study = STUDY.model_copy(update={"scheduler": kind})
    (place / "tested").mkdir(exist_ok=True)
    (place / "tested" / JOURNAL).write_bytes(content)
    try:
        trials = read_checked_trials(place / "tested", STUDY).to_list()
    except UserError as error:
        check_message(error)
        return
    console = Console(file=io.StringIO(), width=100)
    records = TrialRecords(metric=STUDY.metric)
    table = LiveTable(console, STUDY, records)
    tidier = CheckpointPruner(DiskDirectory(place / "kept"), records, STUDY)
    scheduler = StudyScheduler(study)
    for event in read_events(place / "tested"):
        records.on_event(event)
        table.on_event(event)
        tidier.on_event(event)
        scheduler.replay_event(event)
    console.print(table.render_table())
    console.print(study_summary.build_trials_table(trials, STUDY.metric, STUDY.space))
    assert study_summary.render_summary(trials, STUDY)
    StudySearcher(study, trials, asha=scheduler.asha)


NETWORK = TrialConfig(depth=1, width=4, hidden_1=8, hidden_2=8)
SPEC = TrialSpec(NETWORK, epochs=4, seed=0)
CPU = torch.device("cpu")


def saved_checkpoint() -> bytes:
    """A checkpoint whose weights are all a half."""
    state = init_state(SPEC, 100, 2, CPU)
    for weight in state.model.parameters():
        torch.nn.init.constant_(weight, 0.5)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save_state(state, DiskDirectory(Path(folder)))
        return (Path(folder) / checkpoint.FILE).read_bytes()


@fuzzed(500)
@given(st.lists(DAMAGE, max_size=3), st.booleans())
def test_a_checkpoint_of_any_content(
    place: Path, damage: list[tuple[str, int, bytes]], is_complete: bool
) -> None:
    content = damaged(SAVED, damage)
    (place / checkpoint.FILE).write_bytes(content if is_complete else content[: len(content) // 2])
    problems: list[str] = []
    faces = Faces(np.zeros((100, 48, 48), np.uint8), np.zeros(100, np.int64))
    data = TrialData(TrainingFaces(faces), faces, faces, ("cat", "dog"))
    state = checkpoint.load_or_init(SPEC, data, CPU, DiskDirectory(place), problems.append)
    assert all(problem.isprintable() for problem in problems)
    halves = [bool((weight == 0.5).all()) for weight in state.model.parameters()]
    assert not any(halves) if problems else all(halves)


SAVED = saved_checkpoint()
