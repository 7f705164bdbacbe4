"""Training of a configuration again, once for each seed."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rich.console import Console

from fer_tune.common.console import show_step
from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.lock import hold_lock
from fer_tune.data.trial_data import TrialData, build_trial_data
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import BASELINE_TRIAL
from fer_tune.terminal.training_progress import SeedProgress
from fer_tune.tracking import retrain_run
from fer_tune.tracking.queries import list_trials
from fer_tune.tracking.retrain_run import RetrainRun
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store, summarize_error
from fer_tune.tracking.study_and_retrain_info import RetrainInfo
from fer_tune.trial.delete_checkpoint import delete_checkpoint
from fer_tune.trial.train_and_test import train_and_test
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial.trial_faces import select_trial_faces
from fer_tune.trial_config import BASELINE


@dataclass(frozen=True, eq=False)
class RetrainSpec:
    """A retraining, with the storage of its checkpoints.

    seeds: seeds of the trainings, one after the other.
    plan_seed: draws the faces of the data plan; None for the seed of each training.
    on_epoch: called with each epoch of the first seed, again after a stop.
    """

    info: RetrainInfo
    storage: StudyStorage
    seeds: range
    plan_seed: int | None = None
    on_epoch: Callable[[EpochResult], None] | None = None

    @property
    def lock_path(self) -> Path:
        """Lock of the retraining; not in its folder of checkpoints, which is deleted at the end."""
        return self.storage.local_dir / self.info.study.name / f".{self._name}.lock"

    @cached_property
    def checkpoint_directory(self) -> Directory:
        """Folder with a checkpoint for each seed, from which a stopped retraining continues."""
        return self.storage.open_study_directory(self.info.study.name) / self._name

    @property
    def _name(self) -> str:
        name = f"retrain-{self.info.trial.number:06d}-{self.info.epochs}"
        return "-".join([name, *map(str, self.info.faces_params.values())])

    def name_seed(self, seed: int) -> str:
        """Return the name of a training in the terminal: `seed 0` or `baseline, seed 0`."""
        return f"baseline, seed {seed}" if self.info.trial.config == BASELINE else f"seed {seed}"

    def build_data(self, seed: int) -> TrialData:
        """Return the faces of the training with this seed, prepared anew."""
        splits, config = self.info.splits, self.info.trial.config
        plan_seed = seed if self.plan_seed is None else self.plan_seed
        data = build_trial_data(splits, splits.train, config.data_plan, plan_seed)
        return select_trial_faces(data, config)

    def remove_checkpoints(self) -> None:
        """Delete the checkpoints, if possible, and no other file."""
        with suppress(OSError):
            for name in self.checkpoint_directory.list_names():
                if re.fullmatch(r"seed-\d+", name):
                    delete_checkpoint(self.checkpoint_directory / name)
            self.checkpoint_directory.delete_if_empty()


def load_or_train_seed(
    console: Console, run: RetrainRun, spec: RetrainSpec, seed: int
) -> SeedOutcome:
    """Return the results of a seed; train it unless this retraining has done so before."""
    outcome = run.find_finished_seed(seed) or _train_seed(console, run, spec, seed)
    best_epoch = f"best epoch {outcome.best.epoch} of {spec.info.epochs}"
    console.print(f"{spec.name_seed(seed)}: {best_epoch}, {outcome.test.format_scores()}")
    console.print(f"{spec.name_seed(seed)}: model {outcome.model_uri}", soft_wrap=True)
    return outcome


def load_or_train_baseline(
    console: Console, store: Store, spec: RetrainSpec
) -> list[SeedOutcome] | None:
    """Return the baseline's results with the same faces, epochs and seeds.

    It is trained only with seeds that no retraining has used. None if it cannot be trained: the
    other models are worth more than the comparison.
    """
    study = spec.info.study
    # A study that is a single training has no baseline. Its own run stands for that of the trial.
    absent = replace(spec.info.trial, number=BASELINE_TRIAL, run_id=study.run_id, config=BASELINE)
    trial = next((own for own in list_trials(store, study) if own.config == BASELINE), absent)
    baseline = replace(spec, info=replace(spec.info, trial=trial, tta="none"), on_epoch=None)
    try:
        # Another retraining of the study may be training the baseline.
        with hold_lock(baseline.lock_path, "a retraining", wait=True):
            outcomes = _load_or_train_baseline_seeds(console, store, baseline)
            baseline.remove_checkpoints()
    except Exception as error:
        console.print(f"Warning: no comparison with the baseline: {summarize_error(error)}")
        return None
    return outcomes


def _load_or_train_baseline_seeds(
    console: Console, store: Store, baseline: RetrainSpec
) -> list[SeedOutcome]:
    info, seeds = baseline.info, baseline.seeds
    earlier = [retrain_run.find_seed_in_any_retraining(store, info, seed) for seed in seeds]
    trained = [outcome for outcome in earlier if outcome]
    if len(trained) == len(seeds) and not retrain_run.has_unfinished_run(store, info):
        console.print("The baseline was trained like this before.")
        return trained
    console.print("Training the baseline in the same way, to compare:")
    with retrain_run.open_retrain_run(store, info) as run:
        outcomes = [
            outcome or load_or_train_seed(console, run, baseline, seed)
            for seed, outcome in zip(seeds, earlier, strict=True)
        ]
        run.log_summary(outcomes, {})
    return outcomes


def _train_seed(console: Console, run: RetrainRun, spec: RetrainSpec, seed: int) -> SeedOutcome:
    info, metric = spec.info, spec.info.study.metric
    folder = spec.checkpoint_directory / f"seed-{seed}"
    with show_step(console, "preparing the training faces"):
        data = spec.build_data(seed)
    number, count = spec.seeds.index(seed) + 1, len(spec.seeds)
    name = spec.name_seed(seed) + (f" ({number} of {count})" if count > 1 else "")
    with (
        run.open_seed_run(seed) as seed_run,
        SeedProgress(console, name, metric, info.epochs, count - number) as progress,
    ):

        def on_epoch(result: EpochResult) -> None:
            progress.show_epoch(result, is_new=seed_run.log_epoch(result))
            if spec.on_epoch and seed == spec.seeds[0]:
                spec.on_epoch(result)

        trial = TrialSpec(info.trial.config, info.epochs, seed, metric, info.tta)
        trained = train_and_test(trial, data, info.splits.test, folder, on_epoch, console.print)
        with show_step(console, f"storing the results and the model of {name}"):
            return seed_run.log_outcome(trained)
