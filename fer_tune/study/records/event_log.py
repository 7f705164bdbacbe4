"""The study's own record: one line of JSON an event, appended, so that a kill loses nothing."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fer_tune.common.errors import UserError
from fer_tune.events import EpochEnded, Event, TrialStarted
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.trial_record import TrialRecord

FILE = "journal.jsonl"

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class EventLog:
    """Writes the journal of one study; an observer of its trials.

    Raises UserError where it cannot be written to; the study must end then.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        try:
            if path.exists():
                _drop_torn_line(path)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error

    def on_event(self, event: Event) -> None:
        try:
            self._file.write(event.model_dump_json() + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise UserError(f"{self._file.name} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        with suppress(OSError):  # told already, by the write that failed
            self._file.close()


def _drop_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)


class EventLogReader:
    """Reads the journal of the study in `folder` on, from its start, while it is written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._place = 0  # bytes
        self._lines = 0

    def read_next(self, limit: int) -> list[Event]:
        """The next events, at most so many; fewer where there are no more yet.

        A line that is not whole yet, or torn by a kill, is left for later. Raises UserError where
        a line is broken, and comes no further.
        """
        events: list[Event] = []
        place, number = self._place, self._lines
        for line in islice(self._read_complete_lines(), limit):
            place, number = place + len(line), number + 1
            events.append(_parse_event(self._path, number, line))
        self._place, self._lines = place, number
        return events

    def count_unread(self) -> int:
        """How many events there are that were not read yet."""
        return sum(1 for _ in self._read_complete_lines())

    def _read_complete_lines(self) -> Iterator[bytes]:
        if self._path.exists():
            with self._path.open("rb") as lines:
                lines.seek(self._place)
                yield from takewhile(lambda line: line.endswith(b"\n"), lines)


def read_events(folder: Path) -> Iterator[Event]:
    """Every event of the study in `folder`, in order; none without a journal.

    A last line torn by a kill is passed over. Raises UserError where another line is broken.
    """
    path = folder / FILE
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            yield _parse_event(path, number, line)


def _parse_event(path: Path, number: int, line: bytes) -> Event:
    try:
        return _EVENT.validate_json(line)
    except ValidationError as error:
        raise UserError(f"{path}: line {number} is no event; was it changed?") from error


def read_checked_trials(folder: Path, settings: StudySettings) -> list[TrialRecord]:
    """The trials of the study with these settings, as `build_trials_from_events` with its metric gives them.

    Raises UserError for an event that no such study tells: what reads the journal after this
    relies on trials that begin before they go on, and on values that space and metric have.
    """
    return build_trials_from_events(_check_events(folder, settings), settings.metric)


def _check_events(folder: Path, settings: StudySettings) -> Iterator[Event]:
    begun, trained = set[int](), set[int]()
    for line, event in enumerate(read_events(folder), start=1):
        fits = _is_consistent(event, settings)
        if isinstance(event, TrialStarted):
            begun.add(event.number)
        if isinstance(event, EpochEnded):
            fits = fits and (event.number in trained or event.result.epoch == 1)
            trained.add(event.number)
        if event.number not in begun or not fits:
            told = f"line {line} does not belong to study {settings.name}"
            raise UserError(f"{folder / FILE}: {told}; was it changed?")
        yield event


def _is_consistent(event: Event, settings: StudySettings) -> bool:
    match event:
        case TrialStarted(number=number, config=config):
            return number >= 0 and settings.space.contains_config(config)
        case EpochEnded(result=result):
            return result.epoch >= 1 and {settings.metric, "gap"} <= result.metrics.keys()
    return True


def read_trials(folder: Path) -> list[TrialRecord]:
    """The trials of the study in `folder`, by number, as its events leave them."""
    return build_trials_from_events(read_events(folder))


def build_trials_from_events(
    events: Iterable[Event], metric: str | None = None
) -> list[TrialRecord]:
    """The trials by number, as these events leave them.

    metric: spare a long study's memory: of an epoch, keep neither its confusion matrix nor the
        scores of single classes, but for this metric.
    """
    records: dict[int, TrialRecord] = {}
    for event in events:
        if isinstance(event, TrialStarted) and event.number not in records:
            records[event.number] = TrialRecord(event.number, event.name, event.config)
        if isinstance(event, EpochEnded) and metric:
            event = event.model_copy(update={"result": _drop_details(event.result, metric)})
        records[event.number].apply_event(event)
    return [records[number] for number in sorted(records)]


def _drop_details(result: EpochResult, metric: str) -> EpochResult:
    kept = {k: v for k, v in result.metrics.items() if k == metric or not k.startswith("val_")}
    return replace(result, metrics=kept, confusion=())
