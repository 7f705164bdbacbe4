"""Out-of-fold predictions: networks predict training faces that they have not trained on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import pluralize
from fer_tune.data.cache import load_or_group
from fer_tune.data.faces import Splits, hash_faces
from fer_tune.data.split import divide_faces
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.model import FaceClassifier
from fer_tune.terminal.training_progress import SeedProgress
from fer_tune.trial import checkpoint
from fer_tune.trial.device import pick_device, use_autocast
from fer_tune.trial.gpu_errors import explain_out_of_memory
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial.training_loop import Diverged
from fer_tune.trial_config import TrialConfig

# Small, so that FER2013 takes minutes on a CPU: 0.29 M parameters. Regularised, so that it does not
# learn wrong labels by heart.
_NETWORK = TrialConfig(
    learning_rate=1e-2,
    weight_decay=0.05,
    label_smoothing=0.05,
    augmentation=0.4,
    schedule="onecycle",
    depth=4,
    width=16,
    convolutions=2,
    residual=True,
    head="average",
    dropout=0.1,
)
_BATCH_SIZES = 16, 256  # smallest and largest
_MIN_STEPS = 64  # in an epoch: with few faces, batches are smaller
_METRIC = "val/accuracy"  # of the faces that a fold holds out


@dataclass(frozen=True)
class CrossValidation:
    """The settings of a cross-validation.

    folds: number of networks; each trains without one part of the faces, and predicts this part.
    epochs: epochs of each network.
    seed: seed of the division into folds and of the training.
    """

    folds: int
    epochs: int
    seed: int

    def hash_with(self, splits: Splits) -> str:
        """Return a name for the predictions that these settings and training faces lead to."""
        settings = f"{asdict(self)} {_NETWORK!r}"
        return hash_faces([*splits.classes, settings], [splits.train])[:16]


def predict_out_of_fold(
    console: Console, splits: Splits, settings: CrossValidation, folder: Directory
) -> NDArray[np.float64]:  # (N, C) probabilities
    """Return the predictions for each training face, by a network that has not trained on it.

    Only the training split is read.

    folder: folder of the checkpoints. If training stops, the same call resumes it.
    Raises UserError if a class has too few faces, a network diverges, or the GPU is full.
    """
    with show_step(console, "looking for near-duplicates"):
        groups = load_or_group(splits.train.images)
        folds = assign_folds(splits.train.labels, groups, splits.classes, settings)
    probabilities = np.zeros((len(splits.train), len(splits.classes)))
    for fold in range(settings.folds):
        is_held_out = folds == fold
        train, validation = divide_faces(splits.train, is_held_out)
        own = replace(splits, validation=validation)
        data = build_trial_data(own, train, _NETWORK.data_plan, settings.seed)
        probabilities[is_held_out] = _train_and_predict(console, data, settings, fold, folder)
    return probabilities


def assign_folds(
    labels: NDArray[np.int64],  # (N,)
    groups: NDArray[np.int64],  # (N,), of near-duplicates
    classes: Sequence[str],
    settings: CrossValidation,
) -> NDArray[np.int64]:
    """Return the fold of each face, (N,): stratified by class, with near-duplicates in one fold.

    A network could otherwise have trained on a near-duplicate of a face that it predicts.
    Raises UserError if a class has fewer groups of near-duplicates than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    for label in np.unique(labels):
        distinct = len(np.unique(groups[labels == label]))
        if distinct < settings.folds:
            count = pluralize(distinct, "distinct training face")
            problem = f"class {classes[label]} has {count} (near-duplicates count once)"
            advice = f"give --folds {distinct}" if distinct > 1 else "add faces, or drop the class"
            raise UserError(f"{problem}, too few for {settings.folds} folds; {advice}")
    folds = np.zeros(len(labels), np.int64)
    splitter = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=settings.seed)
    for fold, (_, held_out) in enumerate(splitter.split(folds, labels, groups)):
        folds[held_out] = fold
    return folds


@explain_out_of_memory()
def _train_and_predict(
    console: Console, data: TrialData, settings: CrossValidation, fold: int, folder: Directory
) -> NDArray[np.float64]:
    """Train one network, and return its probabilities for the validation faces of `data`."""
    device, own = pick_device(), folder / f"fold-{fold + 1}"
    count, (low, high) = len(data.training.faces), _BATCH_SIZES
    config = _NETWORK.model_copy(update={"batch_size": min(max(count // _MIN_STEPS, low), high)})
    spec = TrialSpec(config, settings.epochs, settings.seed + fold, _METRIC)
    state = checkpoint.load_or_init(spec, data, device, own, console.print)
    name = f"fold {fold + 1} of {settings.folds}"
    later, restored = settings.folds - fold - 1, state.epochs_done
    with SeedProgress(console, name, _METRIC, settings.epochs, later) as progress:
        try:
            for result in checkpoint.fit_with_checkpoints(spec, state, data, device, own):
                progress.show_epoch(result, is_new=result.epoch > restored)
        except Diverged as error:
            raise UserError(f"{name}: {error}; give another --seed") from error
    # Of the last epoch: the best one would be chosen by the labels that are in doubt.
    model = FaceClassifier([state.evaluated_model], tta="mirror")
    with use_autocast(device):
        return model.predict_probabilities(data.validation.images)
