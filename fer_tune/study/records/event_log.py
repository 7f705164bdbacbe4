"""The event log of a study, in a folder or in a bucket: one line of JSON for each event."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.validation_errors import format_validation_error
from fer_tune.events import EpochEnded, Event, TrialStarted
from fer_tune.study.records.settings import FIX_RECORD, StudySettings
from fer_tune.study.records.trial_record import BASELINE_TRIAL, TrialRecord, TrialRecords

FILE = "journal.jsonl"

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_BATCH = 256  # events in memory


class EventLog:
    """An observer that appends events to the log in a study's folder.

    Raises UserError if the log cannot be written; the study must end then.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        self._problem = f"{path} cannot be written"
        with explain_os_errors(self._problem):
            if path.exists():
                with path.open("rb+") as file:  # without a line that a kill tore
                    file.truncate(file.read().rfind(b"\n") + 1)
            self._file = path.open("a", encoding="utf-8")

    def on_event(self, event: Event) -> None:
        with explain_os_errors(self._problem):
            self._file.write(event.model_dump_json() + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with suppress(OSError):  # the write that failed has raised it
            self._file.close()


class EventLogReader:
    """A reader of the log in a study's folder, which may still be growing.

    A last line without its end is left for later: it is being written, or a kill tore it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._offset = 0  # bytes
        self._line = 0

    def read_next(self, limit: int) -> list[Event]:
        """Return the next events, at most `limit`; fewer if the log has no more.

        Raises UserError if one of these lines is not an event, and then stays before them.
        """
        lines = list(islice(self._read_complete_lines(), limit))
        events = [self._parse_event(n, line) for n, line in enumerate(lines, self._line + 1)]
        self._offset += sum(map(len, lines))
        self._line += len(lines)
        return events

    def count_unread(self) -> int:
        """Return the number of complete lines that have not been read."""
        return sum(1 for _ in self._read_complete_lines())

    def _read_complete_lines(self) -> Iterator[bytes]:
        if self._path.exists():
            with self._path.open("rb") as lines:
                lines.seek(self._offset)
                yield from takewhile(lambda line: line.endswith(b"\n"), lines)

    def _parse_event(self, number: int, line: bytes) -> Event:
        try:
            return _EVENT.validate_json(line)
        except ValidationError as error:
            problem = f"line {number} is no event ({format_validation_error(error)})"
            raise UserError(f"{self._path}: {problem}; {FIX_RECORD}") from error


def read_events(folder: Path) -> Iterator[Event]:
    """Yield the events of the study in `folder`, in order; none if it has no log.

    Raises UserError if a complete line is not an event.
    """
    reader = EventLogReader(folder)
    while events := reader.read_next(_BATCH):
        yield from events


def read_checked_trials(folder: Path, settings: StudySettings) -> TrialRecords:
    """Return the trials of the study in `folder`, if the log fits the study's settings.

    Raises UserError for a line that does not fit. Later readers rely on trials that start before
    their first epoch, and on values that the space and the metric allow.
    """
    return TrialRecords(_check_events(folder, settings), settings.metric)


def _check_events(folder: Path, settings: StudySettings) -> Iterator[Event]:
    started, trained, needed = set[int](), set[int](), {settings.metric, "gap"}
    for line, event in enumerate(read_events(folder), start=1):
        is_valid = True
        match event:
            case TrialStarted(number=number, config=config, repeat_of=finalist):
                is_valid = number >= 0 and settings.space.contains_config(config)
                is_valid &= finalist is None or finalist in started - {number}
                started.add(number)
            case EpochEnded(number=number, result=result):
                is_next = result.epoch == 1 or (result.epoch > 1 and number in trained)
                is_valid = is_next and needed <= result.metrics.keys()
                trained.add(number)
        if event.number not in started or not is_valid:
            problem = f"line {line} does not belong to study {settings.name}"
            raise UserError(f"{folder / FILE}: {problem}; was it changed?")
        yield event


def find_start_time(folder: Path) -> int | None:
    """Return when trial 0 began, in milliseconds since 1970; None before it began."""
    started = (event for event in read_events(folder) if isinstance(event, TrialStarted))
    return next((event.time for event in started if event.number == BASELINE_TRIAL), None)


def read_trials(folder: Path) -> list[TrialRecord]:
    """Return the trials of the study in `folder`, by number, each with its repeats."""
    return TrialRecords(read_events(folder)).to_list()


LINES_PER_CHUNK = 256  # each event uploads its whole chunk again
FOLDER = "journal"


class BucketLog:
    """An observer that uploads events to the bucket, after `EventLog` has written them.

    study_dir: the study's folder in the bucket.
    local_log: the event log on this machine. Its events that are not in the bucket, because of a
        kill, are uploaded first.
    Raises UserError if the bucket cannot be written.
    """

    def __init__(self, study_dir: Directory, local_log: Path) -> None:
        self._problem = f"{study_dir} cannot be written"
        self._directory = study_dir / FOLDER
        self._chunk = len(self._directory.list_names())
        self._lines: list[str] = []
        if missing := read_local_log(local_log)[len(read_bucket_log(study_dir)) :]:
            self._upload_chunk(missing)
            self._chunk += 1

    def on_event(self, event: Event) -> None:
        self._lines.append(event.model_dump_json() + "\n")
        self._upload_chunk("".join(self._lines).encode())
        if len(self._lines) == LINES_PER_CHUNK:
            self._chunk += 1
            self._lines.clear()

    def _upload_chunk(self, content: bytes) -> None:
        with explain_os_errors(self._problem):
            self._directory.write(f"{self._chunk:08d}.jsonl", content)


def read_bucket_log(study_dir: Directory) -> bytes:
    """Return the event log in the bucket."""
    chunks = study_dir / FOLDER
    return b"".join(chunks.read(name) for name in chunks.list_names())


def read_local_log(path: Path) -> bytes:
    """Return the event log on this machine, empty if there is none."""
    return path.read_bytes() if path.exists() else b""


def has_diverged(local: bytes, remote: bytes) -> bool:
    """Return whether each of two event logs has events that the other lacks.

    A last line that a kill tore does not count.
    """
    local = local[: local.rfind(b"\n") + 1]
    return not (local.startswith(remote) or remote.startswith(local))
