from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_tune.data.faces import Faces
from fer_tune.data.resampling import (
    DATA_PLANS,
    DataPlan,
    TrainingFaces,
    apply_data_plan,
    count_epoch_faces,
)
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet, scale_pixels
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial import training_loop
from fer_tune.trial.augment import augment_images
from fer_tune.trial.device import use_autocast
from fer_tune.trial.train_state import TrialSpec, copy_weights, init_state
from fer_tune.trial.training_loop import DeviceData, Diverged, fit, predict_classes
from fer_tune.trial_config import TrialConfig, count_steps_per_epoch
from tests.trial.fresh import CPU, fresh


def train(task: TrialSpec, faces: TrialData) -> list[EpochResult]:
    return list(fit(task, fresh(task, faces), faces, CPU))


def judged(model: FerNet, faces: Faces) -> tuple[float, float]:
    """Return accuracy and mean cross-entropy, computed independently of the product."""
    model.eval()
    labels = torch.from_numpy(faces.labels)
    with torch.no_grad(), use_autocast(CPU):
        logits = model(scale_pixels(torch.from_numpy(faces.images))).float()
    accuracy = (logits.argmax(1) == labels).double().mean()
    return float(accuracy), float(functional.cross_entropy(logits, labels))


def plain(counts: list[int]) -> Faces:
    """Return faces that each have a grey of their own; lighter faces have higher classes."""
    labels = np.repeat(np.arange(len(counts)), counts)
    greys = np.arange(len(labels), dtype=np.uint8)
    return Faces(np.broadcast_to(greys[:, None, None], (len(labels), 48, 48)).copy(), labels)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every batch of faces before its augmentation."""
    batches: list[Tensor] = []

    def spy(images: Tensor, strength: float) -> Tensor:
        batches.append(images.clone())
        return augment_images(images, strength)

    monkeypatch.setattr(training_loop, "augment_images", spy)
    return batches


def greys(batches: list[Tensor]) -> list[int]:
    return [round(float(face[0, 0, 0]) * 255) for batch in batches for face in batch]


def test_the_same_task_twice_gives_the_same_numbers(config: TrialConfig, faces: TrialData) -> None:
    task = TrialSpec(config, epochs=3, seed=1)
    first = train(task, faces)
    torch.rand(5)
    assert train(task, faces) == first
    assert train(replace(task, seed=2), faces) != first


def test_epochs_are_numbered_from_1_to_the_trials_length(
    config: TrialConfig, faces: TrialData
) -> None:
    assert [result.epoch for result in train(TrialSpec(config, 3, seed=0), faces)] == [1, 2, 3]


def test_validation_faces_are_never_augmented_or_drawn_again(
    config: TrialConfig, faces: TrialData, seen: list[Tensor]
) -> None:
    strong = config.model_copy(update={"augmentation": 1.0})
    drawn = replace(faces, training=apply_data_plan("sqrt_sampler", faces.training.faces, seed=0))
    task = TrialSpec(strong, epochs=2, seed=0)
    state = fresh(task, drawn)
    for result in fit(task, state, drawn, CPU):
        counts = np.sum(result.confusion, axis=1)
        assert counts.tolist() == faces.validation.count_by_class(4).tolist()
        accuracy, loss = judged(state.model, faces.validation)
        assert result.metrics["val/accuracy"] == accuracy
        assert result.metrics["val/loss"] == pytest.approx(loss, rel=1e-3)
    untouched = {
        face.tobytes() for face in scale_pixels(torch.from_numpy(faces.validation.images)).numpy()
    }
    assert sum(map(len, seen)) == 2 * len(faces.training.faces)
    assert not untouched & {face.numpy().tobytes() for batch in seen for face in batch}


def test_train_accuracy_is_taken_in_evaluation_mode_on_clean_faces(
    config: TrialConfig, faces: TrialData
) -> None:
    noisy = config.model_copy(update={"augmentation": 1.0, "dropout": 0.9})
    task = TrialSpec(noisy, epochs=2, seed=0)
    state = fresh(task, faces)
    for result in fit(task, state, faces, CPU):
        accuracy, loss = judged(state.model, faces.train_sample)
        assert result.metrics["train/accuracy"] == accuracy
        assert result.metrics["train/loss"] == pytest.approx(loss, rel=1e-3)
        assert result.metrics["gap"] == accuracy - result.metrics["val/accuracy"]


def test_an_epoch_sees_every_face_once_in_an_order_of_its_own(
    config: TrialConfig, faces: TrialData, seen: list[Tensor]
) -> None:
    own = replace(faces, training=TrainingFaces(plain([30, 10])), classes=("sad", "happy"))
    own = replace(own, train_sample=own.training.faces, validation=own.training.faces)
    train(TrialSpec(config, epochs=2, seed=0), own)
    first, second = greys(seen[:3]), greys(seen[3:])
    assert sorted(first) == sorted(second) == list(range(40))
    assert list(range(40)) != first != second


def test_square_root_sampling_draws_the_rare_class_more_often(
    config: TrialConfig, faces: TrialData, seen: list[Tensor]
) -> None:
    training = apply_data_plan("sqrt_sampler", plain([225, 25]), seed=0)
    own = replace(faces, training=training, train_sample=training.faces, validation=training.faces)
    train(TrialSpec(config, epochs=4, seed=0), own)
    drawn = np.array(greys(seen))
    assert len(drawn) == 4 * 250
    # sqrt(25) / (sqrt(225) + sqrt(25)) = 0.25; the share of the faces is 0.1.
    assert 0.2 < (drawn >= 225).mean() < 0.3
    assert len(set(drawn[:250])) < 250


@pytest.mark.parametrize("setting", ["label_smoothing", "mixup"])
def test_label_smoothing_changes_the_training_but_not_the_evaluation(
    config: TrialConfig, faces: TrialData, setting: str
) -> None:
    trained = []
    for value in (0.0, 0.5):
        softened = config.model_copy(update={setting: value})
        task = TrialSpec(softened, epochs=1, seed=0)
        state = fresh(task, faces)
        [result] = fit(task, state, faces, CPU)
        _, loss = judged(state.model, faces.validation)
        assert result.metrics["val/loss"] == pytest.approx(loss, rel=1e-3)
        trained.append(copy_weights(state.model)["head.1.weight"])
    assert not torch.equal(*trained)


@pytest.mark.parametrize("seed", [0, 1, 2])  # so that the best epoch is not always the last
@pytest.mark.parametrize(
    ("metric", "averaging"), [("val/macro_f1", 0), ("val/loss", 0), ("val/macro_f1", 0.5)]
)
def test_the_saved_weights_are_those_of_the_best_epoch(
    config: TrialConfig, faces: TrialData, metric: str, averaging: float, seed: int
) -> None:
    task = TrialSpec(config.model_copy(update={"averaging": averaging}), 8, seed, metric)
    state = fresh(task, faces)
    scores, after = [], []
    for result in fit(task, state, faces, CPU):
        scores.append(result.metrics[metric])
        after.append(copy_weights(state.evaluated_model))
    best = scores.index(min(scores) if metric == "val/loss" else max(scores))
    assert all(torch.equal(kept, after[best][name]) for name, kept in state.best_weights.items())


def test_the_ema_is_evaluated_and_does_not_change_the_training(
    config: TrialConfig, faces: TrialData
) -> None:
    trained = []
    for averaging in (0.0, 2.0):
        task = TrialSpec(config.model_copy(update={"averaging": averaging}), epochs=2, seed=0)
        state = fresh(task, faces)
        *_, result = fit(task, state, faces, CPU)
        _, loss = judged(state.evaluated_model, faces.validation)
        assert result.metrics["val/loss"] == pytest.approx(loss, rel=1e-3)
        trained.append(state)
    plain, averaged = trained
    name = "head.1.weight"
    assert plain.evaluated_model is plain.model
    assert torch.equal(copy_weights(plain.model)[name], copy_weights(averaged.model)[name])
    assert not torch.equal(
        copy_weights(averaged.model)[name], copy_weights(averaged.evaluated_model)[name]
    )


def test_the_ema_spans_the_configured_epochs(config: TrialConfig) -> None:
    """An exponential moving average over n steps lags n - 1 steps behind."""
    task = TrialSpec(config.model_copy(update={"averaging": 2.0}), epochs=1000, seed=0)
    state = init_state(task, face_count=10 * config.batch_size, class_count=3, device=CPU)
    for step in range(2000):
        with torch.no_grad():
            state.model.state_dict()["head.1.bias"].fill_(step)
        assert state.ema_model is not None
        state.ema_model.update_parameters(state.model)
        if step == 50:  # the first steps are averaged over fewer
            assert state.evaluated_model.state_dict()["head.1.bias"][0] > 40
    assert state.evaluated_model.state_dict()["head.1.bias"][0] == pytest.approx(1999 - 19, abs=0.1)


def test_a_loss_that_is_no_number_ends_the_trial(config: TrialConfig, faces: TrialData) -> None:
    task = TrialSpec(config, epochs=3, seed=0)
    state = fresh(task, faces)
    epochs = fit(task, state, faces, CPU)
    next(epochs)
    with torch.no_grad():
        state.model.state_dict()["head.1.weight"][0, 0] = torch.nan
    with pytest.raises(Diverged, match="training loss became nan in epoch 2"):
        next(epochs)
    assert state.epochs_done == 1


def test_weights_ruined_by_the_last_step_are_never_reported(
    config: TrialConfig, faces: TrialData
) -> None:
    """With one batch an epoch, the training loss is the loss before the step."""
    task = TrialSpec(config.model_copy(update={"batch_size": 64}), epochs=1, seed=0)
    state = fresh(task, faces)
    state.optimizer.param_groups[0]["lr"] = 1e38
    with pytest.raises(Diverged, match=r"loss in evaluation became (nan|inf) in epoch 1"):
        next(fit(task, state, faces, CPU))
    assert state.history == []
    assert state.best_weights == {}


@pytest.mark.parametrize("classes", [2, 40])
def test_any_number_of_classes_is_trained_and_judged(config: TrialConfig, classes: int) -> None:
    rng = np.random.default_rng(0)
    own = Faces(rng.integers(0, 256, (80, 48, 48), dtype=np.uint8), np.arange(80) % classes)
    names = tuple(f"class {number}" for number in range(classes))
    [result] = train(TrialSpec(config, 1, seed=0), TrialData(TrainingFaces(own), own, own, names))
    assert np.shape(result.confusion) == (classes, classes)
    assert np.sum(result.confusion, axis=1).tolist() == [80 // classes] * classes


def test_the_deepest_network_trains_if_the_last_batch_is_one_face(
    config: TrialConfig, faces: TrialData
) -> None:
    assert len(faces.training.faces) % config.batch_size == 1
    [result] = train(TrialSpec(config.model_copy(update={"depth": 5}), 1, seed=0), faces)
    assert np.isfinite(list(result.metrics.values())).all()


def test_a_batch_larger_than_all_faces_is_one_step(
    config: TrialConfig, faces: TrialData, seen: list[Tensor]
) -> None:
    train(TrialSpec(config.model_copy(update={"batch_size": 4096}), 2, seed=0), faces)
    assert [len(batch) for batch in seen] == [33, 33]


@pytest.fixture
def _every_warning() -> Iterator[None]:
    """PyTorch gives most of its warnings once a process."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.usefixtures("_every_warning")
def test_faces_shared_between_processes_are_read_and_left_alone(
    config: TrialConfig, faces: TrialData
) -> None:
    """Ray's object store hands out read-only arrays, of which PyTorch warns."""

    def locked(source: Faces) -> Faces:
        images, labels = source.images.copy(), source.labels.copy()
        images.flags.writeable = labels.flags.writeable = False
        return Faces(images, labels)

    training = TrainingFaces(locked(faces.training.faces), sampling_weights=np.full(33, 1 / 33))
    training.sampling_weights.flags.writeable = False  # type: ignore[union-attr]
    shared = TrialData(
        training, locked(faces.train_sample), locked(faces.validation), faces.classes
    )
    train(TrialSpec(config, 1, seed=0), shared)
    np.testing.assert_array_equal(shared.training.faces.images, faces.training.faces.images)


@pytest.mark.parametrize("plan", DATA_PLANS)
def test_the_loop_makes_as_many_steps_as_are_counted_beforehand(
    config: TrialConfig, faces: TrialData, plan: DataPlan, seen: list[Tensor]
) -> None:
    original = faces.training.faces
    config = config.model_copy(update={"batch_size": 7, "data_plan": plan})
    train(
        TrialSpec(config, epochs=1, seed=0),
        replace(faces, training=apply_data_plan(plan, original, seed=0)),
    )
    expected = count_steps_per_epoch(count_epoch_faces(plan, original.labels), config)
    assert len(seen) == expected


def test_how_evaluation_is_batched_does_not_change_the_scores(
    config: TrialConfig, faces: TrialData, cpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = FerNet(config, 4)
    held = DeviceData.from_faces(faces.training.faces, cpu)
    at_once = predict_classes(model, held)
    monkeypatch.setattr(training_loop, "EVALUATION_BATCH", 16)  # the last has one face
    in_parts = predict_classes(model, held)
    assert at_once.predicted.tolist() == in_parts.predicted.tolist()
    assert at_once.loss == pytest.approx(in_parts.loss, rel=1e-3)


@pytest.fixture
def voted(faces: TrialData) -> TrialData:
    """The faces with votes: all for the next class."""

    def vote(own: Faces) -> Faces:
        return replace(own, votes=np.eye(4, dtype=np.float32)[(own.labels + 1) % 4])

    training = replace(faces.training, faces=vote(faces.training.faces))
    return TrialData(training, vote(faces.train_sample), vote(faces.validation), faces.classes)


def test_a_trial_learns_the_shares_of_the_votes_if_it_asks_for_them(
    config: TrialConfig, voted: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []

    def spy(labels: Tensor, *_: object) -> Tensor:
        seen.append(labels)
        return labels

    monkeypatch.setattr(training_loop, "distill_labels", spy)
    task = TrialSpec(config.model_copy(update={"labels": "votes"}), epochs=1, seed=0)
    by_votes = train(task, voted)
    assert sum(map(len, seen)) == len(voted.training.faces)
    shares = torch.cat(seen).sum(0)
    counts = voted.training.faces.count_by_class(4).astype(np.float32)
    assert shares.tolist() == np.roll(counts, 1).tolist()
    assert train(TrialSpec(config, epochs=1, seed=0), voted) != by_votes


def test_votes_add_scores_and_change_no_other(
    config: TrialConfig, faces: TrialData, voted: TrialData
) -> None:
    task = TrialSpec(config, epochs=1, seed=0)
    (plain,), (scored,) = train(task, faces), train(task, voted)
    assert scored.confusion == plain.confusion
    assert plain.metrics.items() <= scored.metrics.items()
    assert scored.metrics["val/disputed_accuracy"] == plain.metrics["val/accuracy"]
    assert scored.metrics["val/agreed_accuracy"] == 0
    assert scored.metrics["disputed_gap"] == plain.metrics["gap"]
