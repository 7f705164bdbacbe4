"""The events of a study, cut into what is recorded at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fer_tune.events import (
    Ending,
    EpochEnded,
    Event,
    TrialEnded,
    TrialRemarked,
    TrialStarted,
)


@dataclass(frozen=True)
class StudyEnded:
    """The last event of a study, which only its writer tells.

    note: what came out, for the head of the study's page.
    front: the table of its best trade-offs, CSV; empty without one.
    """

    ending: Ending
    summary: str
    time: int
    pareto_front_csv: str = ""


@dataclass
class TrialSegment:
    """Of what happened to a trial, a stretch from its start or a going on to its next ending.

    Either end may be missing: it was recorded before, or is still to come.
    """

    number: int
    started: TrialStarted | None = None
    epochs: list[EpochEnded] = field(default_factory=list)
    ended: TrialEnded | None = None


def split_segments(events: Iterable[Event]) -> Iterator[TrialSegment]:
    """The events of one trial, in order, as few parts."""
    part: TrialSegment | None = None
    for event in events:
        if isinstance(event, TrialRemarked):
            continue
        if part and (part.ended or isinstance(event, TrialStarted)):
            yield part
            part = None
        part = part or TrialSegment(event.number)
        match event:
            case TrialStarted():
                part.started = event
            case EpochEnded():
                part.epochs.append(event)
            case TrialEnded():
                part.ended = event
    if part:
        yield part
