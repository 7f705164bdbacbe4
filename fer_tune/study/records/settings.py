"""The settings of a study: what it is, not on which machine and how fast it runs."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_tune.common.errors import UserError
from fer_tune.common.validation_errors import format_validation_error
from fer_tune.data.read_options import ReadOptions, SplitRule
from fer_tune.defaults import GRACE, REDUCTION, SCHEDULER, SamplerName, SchedulerName
from fer_tune.study.ablation_plan import Ablation
from fer_tune.study.search_space.load_space import find_point_errors, find_space_errors
from fer_tune.study.search_space.parameters import Point, StrictModel
from fer_tune.study.search_space.space import SearchSpace

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class PriorTrial(StrictModel):
    """A trial of another study, which Optuna gets before the study's own trials.

    study, number: the trial's own study, and its number in that study.
    point: its parameters in the space of the new study.
    epochs: the number of epochs that it ran.
    is_whole: whether `epochs` is the full length of a trial of the new study.
    best, gap: the metric and the gap in its best epoch.
    last: the metric in its last epoch.
    """

    study: str
    number: int
    point: Point
    epochs: Annotated[int, Field(ge=1)]
    is_whole: bool
    best: FiniteFloat
    gap: FiniteFloat
    last: FiniteFloat


FILE = "study.json"
SINGLE_TRAINING = "single training"  # the space's name in a study of the command `train`

FIX_RECORD = "if another version of fer_tune wrote it, use this version; otherwise correct it"

# The name is also a folder's name and a part of addresses: no separator, no dot at the start.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StudySettings(BaseModel):
    """Settings of a study, stored beside its event log and read again when it is resumed.

    data: path of the faces (`Splits.origin`); None for the demo faces.
    skip_bad, labels, votes, split_rule: how the faces are read; see `ReadOptions`.
    faces_hash: of the splits (`Splits.content_hash`), so that a resumed study has the same faces.
    votes_hash: of people's votes (`Splits.votes_hash`); None without votes.
    train_faces: size of a stratified sample of the training split; None for the whole split.
    suspects, suspects_hash: path and SHA-256 of the list of suspects; None if no trial needs it.
    trials: number of trials.
    epochs: length of a trial, and ASHA's largest resource.
    sampler: proposes the trials; see `StudySearcher`.
    scheduler: decides which trials continue; see `make_asha`.
    grace: epochs before the scheduler may prune or pause a trial.
    reduction: at each rung, one trial in so many continues.
    metric: a name of `build_epoch_metrics`; the score of a trial is the value at its best epoch.
    tracking_uri: of MLflow, or a path from this study's folder; None is the store that contains
        the storage, `mlruns`.
    known: trials of other studies, with which the search starts.
    training_seed: seed of the only trial of `train`; None if a trial's seed follows from `seed`
        and its number.
    ablation: what the study takes apart, if it is an ablation; None for a search.
    finalists: number of best trials that are trained again with further seeds, see `plan_repeats`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    space_name: str
    space: SearchSpace
    data: Path | None
    skip_bad: bool
    labels: str | None = None
    votes: Path | None = None
    split_rule: SplitRule = "exact"  # that of the versions that did not record it
    faces_hash: str
    votes_hash: str | None = None
    train_faces: int | None
    suspects: Path | None = None
    suspects_hash: str | None = None
    trials: Annotated[int, Field(ge=1)]
    epochs: Annotated[int, Field(ge=1)]
    sampler: SamplerName = "tpe"  # that of the versions that did not record it
    scheduler: SchedulerName = SCHEDULER
    grace: Annotated[int, Field(ge=1)] = GRACE
    reduction: Annotated[int, Field(ge=2)] = REDUCTION
    metric: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    tracking_uri: str | None = None
    known: tuple[PriorTrial, ...] = ()
    training_seed: int | None = None
    ablation: Ablation | None = None
    # Left out of the record if there are none, so that earlier versions can read the study.
    finalists: Annotated[int, Field(ge=0, exclude_if=lambda count: count == 0)] = 0

    @property
    def read_options(self) -> ReadOptions:
        """How the faces are read."""
        return ReadOptions(self.skip_bad, self.labels, self.votes, self.split_rule)

    def list_untried_first_points(self) -> list[Point]:
        """Return the points of the first trials: the baseline, then new ones of the space.

        Those of an ablation are known beforehand.
        """
        if self.ablation:
            return self.ablation.list_first_points()
        known = [trial.point for trial in self.known if trial.is_whole]
        baseline, *others = self.space.list_first_points()
        return [baseline, *(point for point in others if point not in known)]


def read_settings(storage: Path, name: str) -> tuple[Path, StudySettings]:
    """Return the folder and the settings of a study.

    storage: the folder that contains one folder a study.
    Raises UserError if there is no such study, or its settings cannot be used.
    """
    check_study_name(name)
    path = storage / name / FILE
    try:
        settings = StudySettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        known = sorted(file.parent.name for file in storage.glob(f"*/{FILE}"))
        close = difflib.get_close_matches(name, known, n=3, cutoff=0) or ["none"]
        raise UserError(f"no study {name} in {storage}; there are: {', '.join(close)}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        is_damaged = error.errors()[0]["type"] == "json_invalid"
        advice = "restore it from a copy, or begin another study" if is_damaged else FIX_RECORD
        problem = format_validation_error(error)
        raise UserError(f"{path} cannot be read: {problem}; {advice}") from error
    for problem in _find_problems(settings, name):
        raise UserError(f"{path} cannot be used: {problem}; was it changed by hand?")
    return path.parent, settings


def _find_problems(settings: StudySettings, name: str) -> Iterator[str]:
    if settings.name != name:  # it would continue in the folder of another study
        yield f"its name is {settings.name}"
    yield from find_space_errors(settings.space)
    for prior in settings.known:
        trial = f"trial {prior.number} of {prior.study}"
        yield from find_point_errors(settings.space, prior.point, trial)


def slugify(text: str) -> str:
    """Return a start for a study's name, similar to `text`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:80] or "study"


def check_study_name(name: str) -> None:
    """Raise UserError if a study cannot have this name."""
    if not _NAME.fullmatch(name):
        advice = "use letters, digits, '.', '_' and '-', beginning with a letter or digit"
        raise UserError(f"study name {name!r}: {advice}, at most 100")
