"""The faces of a study, drawn once for all of its trials."""

from collections.abc import Mapping
from dataclasses import dataclass

from fer_tune.data.faces import Faces, Splits
from fer_tune.data.plans import Drawing, build
from fer_tune.data.sample import clean_sample, stratified_sample
from fer_tune.study.settings import StudySettings
from fer_tune.training.config import TrialConfig
from fer_tune.training.loop import TrialFaces


@dataclass(frozen=True, eq=False)
class StudyFaces:
    """The faces of all trials of a study, held once a machine in Ray's object store.

    drawings: what trials of each data plan train on.
    sample, validation, classes: as in TrialFaces.
    """

    drawings: Mapping[str, Drawing]
    sample: Faces
    validation: Faces
    classes: tuple[str, ...]

    def of(self, config: TrialConfig) -> TrialFaces:
        """The faces that a trial with this configuration sees."""
        drawing = self.drawings[config.data_plan]
        return TrialFaces(drawing, self.sample, self.validation, self.classes)


def study_faces(splits: Splits, settings: StudySettings) -> StudyFaces:
    """Draw the training faces by every data plan that the space may ask for.

    Raises UserError where `train_faces` is too small to hold every class.
    """
    size = settings.train_faces or len(splits.train)
    train = stratified_sample(splits.train, size, settings.seed)
    return StudyFaces(
        drawings={plan: build(plan, train, settings.seed) for plan in settings.space.plans()},
        sample=clean_sample(train, len(splits.validation)),
        validation=splits.validation,
        classes=splits.classes,
    )
