"""What MLflow is told of a study or a retraining, once, at its start."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_tune.tracking.queries import StudyRun, TrialRun


@dataclass(frozen=True)
class StudyInfo:
    """What a study is.

    name: unique in the store.
    space: the resolved search space, YAML.
    command: the command line that began it.
    source, faces_hash, protocol: of the faces (see `fer_tune.data.faces.Splits`).
    metric: decides a trial's best epoch; less is better for losses and the gap.
    settings: parameters of the study's own run: `data`, `epochs`, ...; None is left out.
    notes: one sentence each, for the head of the study's page.
    parameters: that the space varies, by name: those that decide whether a trial has it.
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
    parameters: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RetrainInfo:
    """What a retraining is.

    study, trial: where its configuration comes from.
    epochs: full length of each training.
    classes: of the faces, by label.
    command: the command line that began it.
    note: for the head of its page.
    counts: faces of each class, in the order of the classes, by split.
    """

    study: "StudyRun"
    trial: "TrialRun"
    epochs: int
    classes: tuple[str, ...]
    command: str
    code_version: str
    note: str = ""
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
