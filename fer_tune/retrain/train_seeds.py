"""A configuration trained again to its full length, once for each seed."""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fer_tune.common.lock import hold_lock
from fer_tune.common.version import read_code_version
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.load import collect_remarks
from fer_tune.data.trial_data import build_trial_data
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.terminal.formatting import create_progress_bar
from fer_tune.tracking.queries import StudyRun, TrialRun, list_trials
from fer_tune.tracking.retrain_run import (
    RetrainRun,
    find_earlier_seed,
    has_unfinished_run,
    open_retrain_run,
)
from fer_tune.tracking.run_info import RetrainInfo
from fer_tune.tracking.seed_run import SeedOutcome
from fer_tune.tracking.store import Store
from fer_tune.trial.checkpoint_file import delete_checkpoint
from fer_tune.trial.train_and_test import train_and_test
from fer_tune.trial.train_state import TrialSpec
from fer_tune.trial_config import BASELINE

if TYPE_CHECKING:
    from fer_tune.common.filesystem import Directory


@dataclass(frozen=True, eq=False)
class RetrainSpec:
    """What is trained again.

    command: the command line, for people and records.
    """

    study: StudyRun
    trial: TrialRun
    splits: Splits
    epochs: int
    storage: StudyStorage
    command: str

    @property
    def is_baseline(self) -> bool:
        """Whether it is the paper's own configuration."""
        return self.trial.config == BASELINE

    @property
    def lock_path(self) -> Path:
        """Held while it runs; not among its checkpoints, which go when it is over."""
        return self.storage.local_dir / self.study.name / f".{self._name}.lock"

    @cached_property
    def checkpoint_directory(self) -> "Directory":
        """Of the checkpoints, from which a stopped retraining goes on."""
        return self.storage.open_study_directory(self.study.name) / self._name

    @property
    def _name(self) -> str:
        return f"retrain-{self.trial.number:06d}-{self.epochs}"

    def to_retrain_info(self) -> RetrainInfo:
        """What MLflow is told of it."""
        splits, classes = self.splits, len(self.splits.classes)
        return RetrainInfo(
            study=self.study,
            trial=self.trial,
            epochs=self.epochs,
            classes=splits.classes,
            command=self.command,
            code_version=read_code_version(),
            note="\n\n".join(collect_remarks(splits)),
            counts={name: splits[name].count_by_class(classes).tolist() for name in SPLIT_NAMES},
        )

    def remove_checkpoints(self) -> None:
        """Delete its checkpoints, if they can be; they are of no use once it is over."""
        with suppress(OSError):
            for name in self.checkpoint_directory.list_names():
                if re.fullmatch(r"seed-\d+", name):
                    delete_checkpoint(self.checkpoint_directory / name)
            self.checkpoint_directory.delete_if_empty()


def load_or_train_seed(
    console: Console, run: RetrainRun, spec: RetrainSpec, seed: int
) -> SeedOutcome:
    """What the seed gave before this retraining was broken off, or gives now."""
    outcome = run.find_finished_seed(seed) or _train_seed(console, run, spec, seed)
    console.print(
        f"seed {seed}: epoch {outcome.best.epoch} kept, "
        f"test accuracy {outcome.test.accuracy:.3f}, macro F1 {outcome.test.macro_f1:.3f}; "
        f"model {outcome.model_uri}",
        soft_wrap=True,
    )
    return outcome


def load_or_train_baseline(
    console: Console, store: Store, spec: RetrainSpec, seeds: int
) -> list[SeedOutcome] | None:
    """What the paper's configuration gives with the same faces, length and seeds.

    It is trained for the seeds with which it never was. None where the study has no such trial.
    """
    trial = next((each for each in list_trials(store, spec.study) if each.config == BASELINE), None)
    if trial is None:
        console.print(f"Study {spec.study.name} has no trial of the paper's configuration.")
        return None
    paper = replace(spec, trial=trial)
    # Another retraining of the study may be at it.
    with hold_lock(paper.lock_path, "a retraining", wait=True):
        outcomes = _load_or_train_baseline_seeds(console, store, paper, seeds)
        paper.remove_checkpoints()
    return outcomes


def _load_or_train_baseline_seeds(
    console: Console, store: Store, baseline: RetrainSpec, seeds: int
) -> list[SeedOutcome]:
    described = baseline.to_retrain_info()
    known = [find_earlier_seed(store, described, seed) for seed in range(seeds)]
    if None not in known and not has_unfinished_run(store, described):
        console.print("The paper's configuration was trained like this before.")
        return [each for each in known if each is not None]
    console.print("Training the paper's configuration in the same way, to compare:")
    with open_retrain_run(store, described) as run:
        outcomes = [
            before or load_or_train_seed(console, run, baseline, seed)
            for seed, before in enumerate(known)
        ]
        run.log_summary(outcomes, {})
    return outcomes


def _train_seed(console: Console, run: RetrainRun, spec: RetrainSpec, seed: int) -> SeedOutcome:
    config, splits = spec.trial.config, spec.splits
    task = TrialSpec(config, spec.epochs, seed, spec.study.metric)
    faces = build_trial_data(splits, splits.train, config.data_plan, seed)
    with run.open_seed_run(seed) as seed_run, create_progress_bar(console) as bar:
        job = bar.add_task(f"seed {seed}", total=spec.epochs, shown="")

        def on_epoch(result: EpochResult) -> None:
            seed_run.log_epoch(result)
            shown = f"F1 {result.metrics['val/macro_f1']:.3f}, gap {result.metrics['gap']:.3f}"
            bar.update(job, completed=result.epoch, shown=shown)

        kept = spec.checkpoint_directory / f"seed-{seed}"
        final = train_and_test(task, faces, splits.test, kept, on_epoch, console.print)
        return seed_run.log_outcome(final)
