"""What is logged of a study or a retraining when it starts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fer_tune.common.version import read_code_version
from fer_tune.data.faces import Faces, Splits
from fer_tune.data.load import collect_remarks
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.model_config import TtaName
from fer_tune.tracking import tags

if TYPE_CHECKING:
    from fer_tune.tracking.queries import StudyRun, TrialRun

FACES_PARAMS = ("train_faces", "faces_seed")  # parameters of a training's runs, if not all faces


@dataclass(frozen=True)
class StudyInfo:
    """Description of a study.

    name: unique in the store.
    space: resolved search space, YAML.
    command: command line that began the study.
    source, faces_hash, protocol: see `fer_tune.data.faces.Splits`.
    metric: chooses a trial's best epoch. Losses and the gap are minimized.
    settings: parameters of the study's run (`data`, `epochs`, ...); None is left out.
    notes: sentences for the head of the study's page.
    parameters: for each parameter of the space, the parameters that decide whether a trial has it.
    log_parameters: those of them with a logarithmic range.
    storage: folder or bucket of its event log and checkpoints; empty if not known.
    training_seed: of its only trial; None if a trial's seed follows from `seed` and its number.
    has_finalists: whether its best trials are trained again with further seeds.
    """

    name: str
    space: str
    command: str
    classes: tuple[str, ...]
    source: str
    faces_hash: str
    protocol: str
    seed: int
    metric: str = "val/macro_f1"
    settings: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, Collection[str]] = field(default_factory=dict)
    log_parameters: Collection[str] = ()
    storage: str = ""
    training_seed: int | None = None
    has_finalists: bool = False
    code_version: str = field(default_factory=read_code_version)


@dataclass(frozen=True, eq=False)
class RetrainInfo:
    """Description of a retraining.

    study, trial: source of the configuration.
    epochs: epochs of each training.
    splits: the faces; with `--train-faces`, the training split is the sample.
    command: command line that began the retraining.
    tta: views over which each model averages, for test-time augmentation.
    faces_params: those of FACES_PARAMS that its runs have: which training faces were drawn.
    """

    study: "StudyRun"
    trial: "TrialRun"
    epochs: int
    splits: Splits
    command: str
    tta: TtaName = "none"
    faces_params: Mapping[str, object] = field(default_factory=dict)
    code_version: str = field(default_factory=read_code_version)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; the labels index them."""
        return self.splits.classes

    @property
    def sample_remark(self) -> str:
        """Sentences on the study's sample of training faces; empty if it had all."""
        size, total = self.study.train_faces, len(self.splits.train)
        if size is None or size >= total:
            return ""
        return (
            f"The trials of study {self.study.name} trained on {size:,} of {total:,} training "
            f"faces. This training uses all {total:,}."
        )

    @property
    def suspects_remark(self) -> str:
        """A sentence on the suspects that are left out; empty if none are."""
        config = self.trial.config
        if config.labels != "without_suspects":
            return ""
        return f"The {config.suspect_share:.0%} most suspicious training faces are left out."

    @property
    def remarks(self) -> list[str]:
        """Sentences on the faces that everybody who reads the results must know."""
        own = self.sample_remark, self.suspects_remark
        return [*collect_remarks(self.splits), *filter(None, own)]

    @property
    def origin_tags(self) -> dict[str, str]:
        """Tags that say which trial was retrained, on which faces and by which code."""
        return {
            **{name: self.study.tags[name] for name in tags.DATA_TAGS},
            # A study may train on a sample, but a retraining uses all training faces.
            tags.PROTOCOL: self.splits.protocol,
            tags.CODE_VERSION: self.code_version,
            tags.RETRAINED_STUDY: self.study.name,
            tags.RETRAINED_TRIAL: str(self.trial.number),
            tags.TTA: self.tta,
        }


def select_training_faces(
    faces: Faces,  # of the training split
    params: Mapping[str, str],
) -> Faces:
    """Return the training faces of a seed: the sample of `--train-faces`, drawn again, or all.

    params: parameters of the seed's run.
    """
    size, seed = map(params.get, FACES_PARAMS)
    return draw_stratified_sample(faces, int(size), int(seed or 0)) if size else faces
