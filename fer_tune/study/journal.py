"""The study's own record: one line of JSON an event, appended, so that a kill loses nothing."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fer_tune.study.observer import Observer
from fer_tune.study.record import TrialRecord
from fer_tune.training.config import TrialConfig
from fer_tune.training.metrics import Ending, EpochResult

FILE = "journal.jsonl"


class Journal:
    """Writes the journal of one study; an observer of its trials."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        if path.exists():
            _drop_torn_line(path)
        self._file = path.open("a", encoding="utf-8")

    def trial_started(self, number: int, name: str, config: TrialConfig) -> None:
        self._write("started", number, name=name, config=config.model_dump())

    def epoch_ended(self, number: int, result: EpochResult) -> None:
        self._write("epoch", number, result=asdict(result))

    def trial_ended(self, number: int, ending: Ending, error: str | None) -> None:
        self._write("ended", number, ending=ending, error=error)

    def close(self) -> None:
        self._file.close()

    def _write(self, event: str, number: int, **content: Any) -> None:
        self._file.write(json.dumps({"event": event, "trial": number, **content}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _drop_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)


def read_journal(folder: Path) -> Iterator[tuple[TrialRecord, str]]:
    """Every event in order, as the trial's record after it and the event's name.

    The record of a trial is one object that grows from event to event. A last line torn by a
    kill is passed over. A folder without a journal has no events.
    """
    path = folder / FILE
    if not path.exists():
        return
    records: dict[int, TrialRecord] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            event = json.loads(line)
            number = event["trial"]
            match event["event"]:
                case "started":
                    config = TrialConfig.model_validate(event["config"])
                    record = records.setdefault(number, TrialRecord(number, event["name"], config))
                    record.ending = record.error = None
                case "epoch":
                    records[number].history.append(EpochResult(**event["result"]))
                case "ended":
                    records[number].ending = event["ending"]
                    records[number].error = event["error"]
            yield records[number], event["event"]


def read_trials(folder: Path) -> list[TrialRecord]:
    """The trials of a study by number, as the journal in its folder leaves them."""
    records = {record.number: record for record, _ in read_journal(folder)}
    return [records[number] for number in sorted(records)]


def tell_again(folder: Path, observer: Observer) -> None:
    """Tell an observer everything that the journal holds."""
    for record, event in read_journal(folder):
        match event:
            case "started":
                observer.trial_started(record.number, record.name, record.config)
            case "epoch":
                observer.epoch_ended(record.number, record.history[-1])
            case "ended" if record.ending:
                observer.trial_ended(record.number, record.ending, record.error)
