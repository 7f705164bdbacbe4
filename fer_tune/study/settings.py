"""What a study is, apart from where and how fast it runs."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fer_tune.study.space import SearchSpace

FILE = "study.json"


class StudySettings(BaseModel):
    """Settled when a study begins and kept beside its journal; a resumed study reads them there.

    data: where the faces are, absolute; None for the usual place or the demo faces.
    faces_hash: of the splits (`Splits.content_hash`), so that a resume sees the same faces.
    trials: how many in all.
    epochs: full length of a trial, and ASHA's largest resource.
    grace: epochs before ASHA may stop a trial.
    reduction: of the trials at a rung, one in this many goes on.
    metric: a name of `named_metrics`; the score of a trial is its best epoch's.
    train_faces: a stratified sample of so many training faces; None for all.
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
    grace: Annotated[int, Field(ge=1)]
    reduction: Annotated[float, Field(gt=1)]
    metric: str
    seed: int
    tracking_uri: str
