import torch

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.resampling import TrainingFaces
from fer_tune.data.subsample import draw_stratified_sample
from fer_tune.data.trial_data import TrialData
from fer_tune.trial.train_state import TrialSpec, init_state
from fer_tune.trial.training_loop import fit
from fer_tune.trial_config import TrialConfig


def test_a_small_network_learns_drawn_faces_better_than_chance(cpu: torch.device) -> None:
    splits = draw_demo_splits()
    some = draw_stratified_sample(splits.train, 600, seed=0)
    config = TrialConfig(
        width=8, hidden_1=64, hidden_2=32, dropout=0, batch_size=32, learning_rate=3e-3
    )
    task = TrialSpec(config.model_copy(update={"schedule": "onecycle"}), epochs=6, seed=0)
    faces = TrialData(TrainingFaces(some), some, splits.validation, splits.classes)
    results = list(fit(task, init_state(task, len(some), 7, cpu), faces, cpu))
    largest = splits.validation.count_by_class(7).max() / len(splits.validation)
    assert results[-1].metrics["val/accuracy"] > largest + 0.04
    assert results[-1].metrics["train/loss"] < results[0].metrics["train/loss"]
