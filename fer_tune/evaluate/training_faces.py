"""The faces that a model was trained on, if they are at hand."""

from contextlib import suppress

from mlflow.entities import RunData

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Faces, Splits
from fer_tune.tracking import tags
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.store import Store, summarize_error
from fer_tune.tracking.study_and_retrain_info import select_training_faces


def find_training(store: Store, run_id: str) -> RunData | None:
    """Return what MLflow has recorded of the training of a model; None if it is not known.

    run_id: of the run that trained the model; empty if it is not known.
    """
    with suppress(UserError), store.explain_errors():
        training = store.client.get_run(run_id).data if run_id else None
        return training if training and tags.RETRAINED_STUDY in training.tags else None
    return None


def find_training_faces(
    store: Store, training: RunData | None, splits: Splits | None
) -> tuple[Faces | None, str]:
    """Return the training faces of a model; None and the reason if they are not at hand.

    They are those of the evaluated data set, or they are where its study read them. A hash decides.
    If the model was trained on a sample of them, the sample is drawn again.

    training: as `find_training` returns it.
    splits: those that a study makes of the evaluated data set; None if it cannot.
    """
    if training is None:
        return None, "its training is not recorded"
    try:
        if splits is None or splits.content_hash() != training.tags[tags.FACES_HASH]:
            splits = find_study(store, training.tags[tags.RETRAINED_STUDY]).load_splits()
    except UserError as error:
        return None, f"{training.tags[tags.SOURCE]} cannot be read ({summarize_error(error)})"
    return select_training_faces(splits.train, training.params), ""


def describe_overlap(duplicates: int | None, faces: int, reason: str) -> str:
    """Return a sentence on how many of the evaluated faces the model trained on.

    duplicates: exact duplicates of training faces; None if they are not known.
    reason: why they are not known.
    """
    if duplicates is None:
        return f"It is not known whether the model trained on some of these faces: {reason}."
    if not duplicates:
        return f"The model trained on none of these {faces:,} faces (exact duplicates count)."
    verb = "is an exact duplicate" if duplicates == 1 else "are exact duplicates"
    share = f"{duplicates:,} of these {faces:,} faces ({duplicates / faces:.1%})"
    return f"The model trained on {share}, which {verb} of its training faces."
