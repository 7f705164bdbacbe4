"""A configuration trained again to its full length, once for each seed."""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fer_tune.common.lock import hold_lock
from fer_tune.common.version import code_version
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
    from fer_tune.common.filesystem import Folder


@dataclass(frozen=True, eq=False)
class Retraining:
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
    def is_papers(self) -> bool:
        """Whether it is the paper's own configuration."""
        return self.trial.config == BASELINE

    @property
    def lock(self) -> Path:
        """Held while it runs; not among its checkpoints, which go when it is over."""
        return self.storage.local_dir / self.study.name / f".{self._name}.lock"

    @cached_property
    def kept(self) -> "Folder":
        """Of the checkpoints, from which a stopped retraining goes on."""
        return self.storage.open_study_directory(self.study.name) / self._name

    @property
    def _name(self) -> str:
        return f"retrain-{self.trial.number:06d}-{self.epochs}"

    def described(self) -> RetrainInfo:
        """What MLflow is told of it."""
        splits, classes = self.splits, len(self.splits.classes)
        return RetrainInfo(
            study=self.study,
            trial=self.trial,
            epochs=self.epochs,
            classes=splits.classes,
            command=self.command,
            code_version=code_version(),
            note="\n\n".join(collect_remarks(splits)),
            counts={name: splits[name].count_by_class(classes).tolist() for name in SPLIT_NAMES},
        )

    def clear(self) -> None:
        """Delete its checkpoints, if they can be; they are of no use once it is over."""
        with suppress(OSError):
            for name in self.kept.names():
                if re.fullmatch(r"seed-\d+", name):
                    delete_checkpoint(self.kept / name)
            self.kept.delete_if_empty()


def seed_outcome(console: Console, run: RetrainRun, what: Retraining, seed: int) -> SeedOutcome:
    """What the seed gave before this retraining was broken off, or gives now."""
    outcome = run.find_finished_seed(seed) or _train(console, run, what, seed)
    console.print(
        f"seed {seed}: epoch {outcome.best.epoch} kept, "
        f"test accuracy {outcome.test.accuracy:.3f}, macro F1 {outcome.test.macro_f1:.3f}; "
        f"model {outcome.model_uri}",
        soft_wrap=True,
    )
    return outcome


def paper_outcomes(
    console: Console, store: Store, what: Retraining, seeds: int
) -> list[SeedOutcome] | None:
    """What the paper's configuration gives with the same faces, length and seeds.

    It is trained for the seeds with which it never was. None where the study has no such trial.
    """
    trial = next((each for each in list_trials(store, what.study) if each.config == BASELINE), None)
    if trial is None:
        console.print(f"Study {what.study.name} has no trial of the paper's configuration.")
        return None
    paper = replace(what, trial=trial)
    # Another retraining of the study may be at it.
    with hold_lock(paper.lock, "a retraining", wait=True):
        outcomes = _papers(console, store, paper, seeds)
        paper.clear()
    return outcomes


def _papers(console: Console, store: Store, paper: Retraining, seeds: int) -> list[SeedOutcome]:
    described = paper.described()
    known = [find_earlier_seed(store, described, seed) for seed in range(seeds)]
    if None not in known and not has_unfinished_run(store, described):
        console.print("The paper's configuration was trained like this before.")
        return [each for each in known if each is not None]
    console.print("Training the paper's configuration in the same way, to compare:")
    with open_retrain_run(store, described) as run:
        outcomes = [
            before or seed_outcome(console, run, paper, seed) for seed, before in enumerate(known)
        ]
        run.log_summary(outcomes, {})
    return outcomes


def _train(console: Console, run: RetrainRun, what: Retraining, seed: int) -> SeedOutcome:
    config, splits = what.trial.config, what.splits
    task = TrialSpec(config, what.epochs, seed, what.study.metric)
    faces = build_trial_data(splits, splits.train, config.data_plan, seed)
    with run.open_seed_run(seed) as seed_run, create_progress_bar(console) as bar:
        job = bar.add_task(f"seed {seed}", total=what.epochs, shown="")

        def on_epoch(result: EpochResult) -> None:
            seed_run.log_epoch(result)
            shown = f"F1 {result.metrics['val/macro_f1']:.3f}, gap {result.metrics['gap']:.3f}"
            bar.update(job, completed=result.epoch, shown=shown)

        kept = what.kept / f"seed-{seed}"
        final = train_and_test(task, faces, splits.test, kept, on_epoch, console.print)
        return seed_run.log_outcome(final)
