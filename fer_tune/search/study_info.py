"""The description of a study for its run in MLflow."""

from fer_tune.common.safe_text import hide_passwords
from fer_tune.data.faces import Splits
from fer_tune.data.load import collect_remarks
from fer_tune.data.subsample import describe_sample
from fer_tune.study.records.settings import StudySettings
from fer_tune.tracking.study_and_retrain_info import StudyInfo

# Settings that are no parameters of the study's run in MLflow. It has some of them elsewhere. A
# parameter cannot change, but a resumed study may get more trials.
_NO_PARAMETERS = {
    "name",
    "space",
    "faces_hash",
    "trials",
    "tracking_uri",
    "known",
    "training_seed",
    "ablation",
    "finalists",
}


def build_study_info(
    settings: StudySettings, splits: Splits, command: str, storage: str = ""
) -> StudyInfo:
    """Return what MLflow stores of a study when it begins.

    command: the command line that begins or resumes it.
    storage: the folder or bucket that contains the study; empty if it is not known.
    """
    sample = describe_sample(len(splits.train), settings.train_faces)
    prior_studies = dict.fromkeys(known.study for known in settings.known)
    ranges, ablation = settings.space.parameters, settings.ablation
    return StudyInfo(
        name=settings.name,
        space=settings.space.to_yaml(),
        command=command,
        classes=splits.classes,
        source=splits.source,
        faces_hash=settings.faces_hash,
        protocol=f"{splits.protocol} {sample}".rstrip(),
        seed=settings.seed,
        metric=settings.metric,
        parameters={name: tuple(each.when or ()) for name, each in ranges.items()},
        log_parameters=[name for name, each in ranges.items() if getattr(each, "log", False)],
        settings=settings.model_dump(mode="json", exclude=_NO_PARAMETERS)
        | {"max_gap": settings.space.max_gap, "warm_start": ", ".join(prior_studies) or None}
        | {"ablation": ablation and ablation.model_dump_json()},
        storage=hide_passwords(storage),
        notes=(*collect_remarks(splits), *filter(None, [sample])),
        training_seed=settings.training_seed,
        has_finalists=settings.finalists > 0,
    )
