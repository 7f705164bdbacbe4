import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.data.resampling import apply_data_plan
from fer_tune.data.trial_data import TrialData
from fer_tune.model import FerNet
from fer_tune.scoring.metrics import EpochResult
from fer_tune.trial import checkpoint
from fer_tune.trial.checkpoint import FILE, BadCheckpoint
from fer_tune.trial.train_state import TrainState, TrialSpec, copy_weights
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import TrialConfig
from tests.trial.fresh import CPU, fresh


@pytest.fixture
def task(config: TrialConfig) -> TrialSpec:
    return TrialSpec(config, epochs=4, seed=7)


def save(state: TrainState, folder: Path) -> None:
    checkpoint.save_state(state, DiskDirectory(folder))


def load(state: TrainState, folder: Path) -> None:
    checkpoint.load_state(state, DiskDirectory(folder))


def go_on(
    task: TrialSpec, faces: TrialData, folder: Path, problems: list[str] | None = None
) -> TrainState:
    """Resume a trial; warnings go to `problems`, and without it none is allowed."""
    warnings = [] if problems is None else problems
    state = checkpoint.load_or_init(task, faces, CPU, DiskDirectory(folder), warnings.append)
    assert problems is not None or not warnings
    return state


def trained(task: TrialSpec, faces: TrialData, epochs: int) -> TrainState:
    state = fresh(task, faces)
    epoch = fit(task, state, faces, CPU)
    for _ in range(epochs):
        next(epoch)
    return state


def same(first: TrainState, second: TrainState) -> bool:
    ours, theirs = copy_weights(first.model), copy_weights(second.model)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def resampled(faces: TrialData) -> TrialData:
    """The same faces with the plan sqrt_sampler."""
    return replace(faces, training=apply_data_plan("sqrt_sampler", faces.training.faces, seed=0))


@pytest.mark.parametrize(
    "changed",
    [
        {"schedule": "constant"},
        {"schedule": "cosine"},
        {"schedule": "onecycle"},
        {"schedule": "onecycle", "optimizer": "sgd"},
        {"schedule": "onecycle", "averaging": 0.5},
        {"schedule": "onecycle", "averaging": 0.5, "self_distillation": 0.8},
    ],
    ids=str,
)
def test_a_trial_resumed_after_every_epoch_continues_exactly_as_without_interruption(
    tmp_path: Path, task: TrialSpec, faces: TrialData, changed: dict[str, object]
) -> None:
    config = task.config.model_copy(update={"weight_decay": 0.1, **changed})
    task, faces = replace(task, config=config), resampled(faces)
    through = trained(task, faces, 4)
    results: list[EpochResult] = []
    for _ in range(4):
        torch.manual_seed(len(results))  # as another process may have drawn before
        state = go_on(task, faces, tmp_path)
        results.append(next(fit(task, state, faces, CPU)))
        save(state, tmp_path)
    assert results == through.history
    assert state.history == through.history
    assert same(state, through)
    for name, tensor in through.best_weights.items():
        assert torch.equal(tensor, state.best_weights[name])


def test_a_finished_trial_has_no_epochs_left(
    tmp_path: Path, task: TrialSpec, faces: TrialData
) -> None:
    save(trained(task, faces, 4), tmp_path)
    state = go_on(task, faces, tmp_path)
    assert list(fit(task, state, faces, CPU)) == []
    assert state.epochs_done == 4


def test_the_best_epochs_weights_are_read_without_the_rest_of_the_state(
    tmp_path: Path, task: TrialSpec, faces: TrialData
) -> None:
    state = trained(task, faces, 2)
    state.best_weights = fresh(task, faces).model.state_dict()
    save(state, tmp_path)
    model = FerNet(task.config, len(faces.classes))
    checkpoint.load_best_weights(model, DiskDirectory(tmp_path))
    for name, tensor in copy_weights(model).items():
        assert torch.equal(tensor, state.best_weights[name])
    with pytest.raises(BadCheckpoint):
        checkpoint.load_best_weights(FerNet(task.config, 99), DiskDirectory(tmp_path))


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.9999])
def test_a_file_cut_short_is_refused_in_one_line(
    tmp_path: Path, task: TrialSpec, faces: TrialData, share: float
) -> None:
    save(fresh(task, faces), tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadCheckpoint, match=f"{FILE}: not a state of this trial") as caught:
        load(fresh(task, faces), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"model": {}},
        {"model": None, "optimizer": None, "schedule": None, "history": [], "best_weights": {}},
    ],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, task: TrialSpec, faces: TrialData, content: object
) -> None:
    torch.save(content, tmp_path / FILE)
    with pytest.raises(BadCheckpoint):
        load(fresh(task, faces), tmp_path)


def test_a_missing_file_is_no_broken_one(tmp_path: Path, task: TrialSpec, faces: TrialData) -> None:
    with pytest.raises(FileNotFoundError):
        load(fresh(task, faces), tmp_path)
    assert go_on(task, faces, tmp_path).epochs_done == 0


def test_a_checkpoint_of_another_network_is_refused(
    tmp_path: Path, task: TrialSpec, faces: TrialData
) -> None:
    save(fresh(task, faces), tmp_path)
    wider = replace(task, config=task.config.model_copy(update={"width": 8}))
    with pytest.raises(BadCheckpoint):
        load(fresh(wider, faces), tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_with_one_wrong_bit_is_refused(
    tmp_path: Path, task: TrialSpec, faces: TrialData, share: float
) -> None:
    save(fresh(task, faces), tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    with zipfile.ZipFile(tmp_path / FILE) as parts:
        weights = max(parts.infolist(), key=lambda part: part.file_size)
    content[weights.header_offset + 200 + int(weights.file_size * share)] ^= 64
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BadCheckpoint):
        load(fresh(task, faces), tmp_path)


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_in_a_checkpoint_is_run(
    tmp_path: Path, task: TrialSpec, faces: TrialData, zipped: bool
) -> None:
    fired = tmp_path / "fired"
    content = {"model": Bomb(fired)}
    if zipped:
        torch.save(content, tmp_path / FILE)
    else:
        (tmp_path / FILE).write_bytes(pickle.dumps(content))
    with pytest.raises(BadCheckpoint):
        load(fresh(task, faces), tmp_path)
    assert not fired.exists()


def test_without_a_complete_checkpoint_a_trial_starts_again_with_a_warning(
    tmp_path: Path, task: TrialSpec, faces: TrialData
) -> None:
    save(trained(task, faces, 2), tmp_path)
    content = torch.load(tmp_path / FILE, weights_only=True)
    del content["best_weights"]
    torch.save(content, tmp_path / FILE)
    problems: list[str] = []
    state = go_on(task, faces, tmp_path, problems)
    assert state.epochs_done == 0
    assert state.best_weights == {}
    assert same(state, fresh(task, faces))
    (problem,) = problems
    assert str(tmp_path / FILE) in problem


def test_saving_that_fails_leaves_the_earlier_checkpoint_and_nothing_else(
    tmp_path: Path, task: TrialSpec, faces: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = fresh(task, faces)
    save(state, tmp_path)
    before = (tmp_path / FILE).read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save(state, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).read_bytes() == before


def test_saving_changes_nothing_in_the_state(
    tmp_path: Path, task: TrialSpec, faces: TrialData
) -> None:
    saved, alone = fresh(task, faces), trained(task, faces, 4)
    for _ in fit(task, saved, faces, CPU):
        save(saved, tmp_path)
    assert saved.history == alone.history
