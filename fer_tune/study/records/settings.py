"""What a study is, apart from where and how fast it runs."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_tune.common import atomic
from fer_tune.common.errors import UserError
from fer_tune.common.filesystem import DiskDirectory
from fer_tune.common.lock import is_lock_name
from fer_tune.defaults import SCHEDULER, SchedulerName
from fer_tune.study.prior_trials import PriorTrial
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.space import SearchSpace
from fer_tune.study.search_space.validate_space import find_space_errors

FILE = "study.json"

# A name is also a folder's and part of addresses, so it has no separators and no leading dot.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StudySettings(BaseModel):
    """Settled when a study begins and kept beside its journal; a resumed study reads them there.

    data: where the faces are (`Splits.origin`); None for the demo faces.
    faces_hash: of the splits (`Splits.content_hash`), so that a resume sees the same faces.
    trials: how many in all.
    epochs: full length of a trial, and ASHA's largest resource.
    scheduler: what decides which trials go on; see `make_asha`.
    grace: epochs before it may stop or pause a trial.
    reduction: of the trials at a rung, one in this many goes on.
    metric: a name of `build_epoch_metrics`; the score of a trial is its best epoch's.
    tracking_uri: of MLflow; None is the local store.
    train_faces: a stratified sample of so many training faces; None for all.
    known: trials of other studies that the search starts from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    space_name: str
    space: SearchSpace
    data: Path | None
    skip_bad: bool
    faces_hash: str
    train_faces: int | None
    trials: Annotated[int, Field(ge=1)]
    epochs: Annotated[int, Field(ge=1)]
    scheduler: SchedulerName = SCHEDULER
    grace: Annotated[int, Field(ge=1)]
    reduction: Annotated[int, Field(ge=2)]
    metric: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    tracking_uri: str | None
    known: tuple[PriorTrial, ...] = ()

    def list_untried_first_points(self) -> list[Point]:
        """Of the trials that come first: the paper's, then the space's own that are not known."""
        known = [each.point for each in self.known if each.is_whole]
        paper, *others = self.space.list_first_points()
        return [paper, *(point for point in others if point not in known)]


def create_study_directory(storage: Path, settings: StudySettings) -> Path:
    """Make the folder of a new study, with its settings in it.

    Raises UserError where the name cannot be used or the folder cannot be written.
    """
    check_name_available(storage, settings.name)
    folder = storage / settings.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_settings(folder, settings)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror}; give another --storage"
        ) from error
    return folder


def open_study(storage: Path, name: str) -> tuple[Path, StudySettings]:
    """The folder and the settings of a study that was begun. Raises UserError without one."""
    check_study_name(name)
    path = storage / name / FILE
    try:
        settings = StudySettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        known = sorted(each.parent.name for each in storage.glob(f"*/{FILE}"))
        close = difflib.get_close_matches(name, known, n=3, cutoff=0) or ["none"]
        raise UserError(f"no study {name} in {storage}; there are: {', '.join(close)}") from None
    except (OSError, ValidationError) as error:
        line = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read: {line}; was it changed by hand?") from error
    wrong = find_space_errors(settings.space) or _find_prior_trial_errors(settings)
    if settings.name != name:  # it would go on in the other's folder
        wrong.insert(0, f"it is of a study {settings.name}")
    if wrong:
        raise UserError(f"{path} cannot be used: {wrong[0]}; was it changed by hand?")
    return path.parent, settings


def _find_prior_trial_errors(settings: StudySettings) -> list[str]:
    """Which of the known trials this study's space has no place for."""
    return [
        f"it starts from trial {known.number} of {known.study}, which is outside its space"
        for known in settings.known
        if not settings.space.contains_point(known.point)
    ]


def write_settings(folder: Path, settings: StudySettings) -> None:
    """Whole or not at all, and for its owner only: a tracking URI may hold a password."""
    atomic.write_file(folder / FILE, settings.model_dump_json(indent=2).encode(), private=True)


def check_name_available(storage: Path, name: str) -> None:
    """Raise UserError if `name` cannot be used for a new study, nor its folder."""
    check_study_name(name)
    folder = storage / name
    try:
        check_content(DiskDirectory(folder).list_names(), name, str(storage))
    except OSError as error:
        raise UserError(
            f"{folder} cannot be a study's folder: {error.strerror}; take another --study name"
        ) from error


def check_content(files: Iterable[str], name: str, storage: str) -> None:
    """Raise UserError if the folder of a new study has more in it than a killed process left.

    files: names of the files and folders in it.
    storage: the folder or bucket above it, for people.
    """
    others = [file for file in files if not is_lock_name(file) and not atomic.is_partial_name(file)]
    if FILE in others:
        raise UserError(
            f"study {name} is in {storage} already; "
            f"go on with --resume {name}, or take another --study name"
        )
    if others:
        raise UserError(
            f"{name} in {storage} is no study, and {others[0]} is in it; "
            "take another --study name, or another --storage"
        )


def slugify(text: str) -> str:
    """What can begin the name of a study, close to `text`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:80] or "study"


def check_study_name(name: str) -> None:
    """Raises UserError where `name` is no name for a study."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"study name {name!r}: use letters, digits, '.', '_' and '-', beginning with a "
            "letter or digit, at most 100"
        )
