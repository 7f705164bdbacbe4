"""What happens in a study, as plain data on its way to MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fer_tune.training.metrics import Ending, EpochResult


@dataclass(frozen=True)
class StudyDescription:
    """What a study is, told once at its start.

    name: unique in the store.
    space: the resolved search space, YAML.
    command: the command line that began it.
    source, faces_hash, protocol: of the faces (see `fer_tune.data.faces.Splits`).
    metric: decides a trial's best epoch; less is better for losses and the gap.
    settings: parameters of the study's own run: `data`, `epochs`, ...; None is left out.
    notes: one sentence each, for the head of the study's page.
    """

    name: str
    space: str
    command: str
    classes: tuple[str, ...]
    source: str
    faces_hash: str
    protocol: str
    code_version: str
    seed: int
    metric: str = "val/macro_f1"
    settings: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialStarted:
    """params: the trial's configuration. time, here and below: milliseconds since 1970."""

    number: int
    name: str
    params: Mapping[str, str]
    time: int


@dataclass(frozen=True)
class EpochEnded:
    number: int
    result: EpochResult
    time: int


@dataclass(frozen=True)
class TrialEnded:
    number: int
    ending: Ending
    error: str | None
    time: int


@dataclass(frozen=True)
class StudyEnded:
    """note: what came out, for the head of the study's page."""

    ending: Ending
    note: str
    time: int


Event = TrialStarted | EpochEnded | TrialEnded | StudyEnded
