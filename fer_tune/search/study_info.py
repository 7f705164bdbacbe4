"""A study as its run in MLflow is to show it."""

from fer_tune.common.version import read_code_version
from fer_tune.data.faces import Splits
from fer_tune.data.load import collect_remarks
from fer_tune.study.records.settings import StudySettings
from fer_tune.tracking.run_info import StudyInfo

# Parameters of the study's run in MLflow. The number of trials is not among them: a resumed
# study may get more.
LOGGED_SETTINGS = {
    "space_name",
    "data",
    "skip_bad",
    "train_faces",
    "epochs",
    "scheduler",
    "grace",
    "reduction",
    "metric",
    "seed",
}


def build_study_info(settings: StudySettings, splits: Splits, command: str) -> StudyInfo:
    """What MLflow is told of the study at its start; `told` is the command line."""
    return StudyInfo(
        name=settings.name,
        space=settings.space.to_yaml(),
        command=command,
        classes=splits.classes,
        source=splits.source,
        faces_hash=settings.faces_hash,
        protocol=splits.protocol,
        code_version=read_code_version(),
        seed=settings.seed,
        metric=settings.metric,
        parameters={k: tuple(each.when or ()) for k, each in settings.space.parameters.items()},
        settings=settings.model_dump(mode="json", include=LOGGED_SETTINGS)
        | {"max_gap": settings.space.max_gap, "warm_start": _join_warm_start_studies(settings)},
        notes=collect_remarks(splits),
    )


def _join_warm_start_studies(settings: StudySettings) -> str | None:
    """Those that the study starts from."""
    return ", ".join(dict.fromkeys(known.study for known in settings.known)) or None
