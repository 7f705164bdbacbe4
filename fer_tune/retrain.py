"""python -m fer_tune.retrain: a study's best trial trained again, then tested, once."""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_tune import command
from fer_tune.errors import UserError
from fer_tune.options import STUDIES, number_from

if TYPE_CHECKING:
    from rich.console import Console

    from fer_tune.data.faces import Splits
    from fer_tune.folder import Folder
    from fer_tune.tracking.description import RetrainingDescription
    from fer_tune.tracking.retraining import RetrainingRun, SeedOutcome
    from fer_tune.tracking.store import Store
    from fer_tune.tracking.studies import StudyRun, TrialRun
    from fer_tune.training.faces import TrialFaces
    from fer_tune.training.metrics import EpochResult

_EXAMPLE = """\
example:
  python -m fer_tune.retrain --study paper-0412-101500 --seeds 3
"""


@dataclass(frozen=True)
class RetrainOptions:
    """The command line; None where the user left an option out."""

    study: str
    trial: int | None
    epochs: int | None
    seeds: int
    data: Path | None
    tracking_uri: str | None
    storage: str


def parse(argv: Sequence[str] | None) -> RetrainOptions:
    """The command line; exits with code 2 where it is wrong."""
    parser = command.Parser(
        prog="python -m fer_tune.retrain",
        description="Train a study's best trial again, to its full length and on all training "
        "faces; then read the test faces, once.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole = number_from(1, int)
    parser.add_argument("--study", type=command.filled, required=True, metavar="NAME")
    parser.add_argument(
        "--trial", type=number_from(0, int), metavar="N", help="default: the study's best"
    )
    parser.add_argument("--epochs", type=whole, metavar="N", help="default: the study's")
    parser.add_argument(
        "--seeds", type=whole, default=1, metavar="K", help="train K times (default: 1)"
    )
    parser.add_argument(
        "--data",
        type=command.filled_path,
        metavar="PATH",
        help="where the study's faces are now, if moved",
    )
    parser.add_argument(
        "--tracking-uri", type=command.filled, metavar="URI", help="as of the search"
    )
    parser.add_argument(
        "--storage",
        type=command.filled,
        default=str(STUDIES),
        metavar="DIR",
        help="as of the search",
    )
    return RetrainOptions(**vars(parser.parse_args(argv)))


@dataclass(frozen=True, eq=False)
class Retraining:
    """What is trained again.

    folder: on this machine; held while it runs.
    kept: folder of the checkpoints, from which a stopped retraining goes on.
    """

    study: "StudyRun"
    trial: "TrialRun"
    splits: "Splits"
    epochs: int
    folder: Path
    kept: "Folder"


def main(argv: Sequence[str] | None = None) -> None:
    """Find the trial, train it again with each seed, and show how it does on the test faces."""
    options = parse(argv)
    from fer_tune.study.lock import locked
    from fer_tune.terminal import tables
    from fer_tune.tracking.retraining import open_retraining
    from fer_tune.tracking.store import open_store

    console = tables.console()
    store = open_store(options.tracking_uri, create=False)
    what = _settled(store, options)
    tables.show_faces(console, what.splits)
    console.print(_plan(what, options.seeds))
    told = command.line("fer_tune.retrain", argv)
    try:
        with (
            locked(what.folder, "this retraining"),
            open_retraining(store, _described(what, told)) as run,
        ):
            outcomes = [_outcome(console, run, what, seed) for seed in range(options.seeds)]
            _show(console, run, what.splits.classes, outcomes)
    except KeyboardInterrupt:
        again = f"Stopped. The same command goes on from the last epoch: {told}"
        console.print(again, soft_wrap=True)
        raise
    shutil.rmtree(what.folder)
    what.kept.remove()


def _settled(store: "Store", options: RetrainOptions) -> Retraining:
    from fer_tune.data.load import load_again
    from fer_tune.study.storage import Storage
    from fer_tune.tracking.studies import best_trial, find_study, find_trial
    from fer_tune.training.metrics import metric_names

    study = find_study(store, options.study)
    if options.trial is None:
        trial = best_trial(store, study)
    else:
        trial = find_trial(store, study, options.trial)
    splits = load_again(options.data or study.data, skip_bad=study.skip_bad)
    if splits.content_hash() != study.faces_hash:
        raise UserError(
            f"{options.data or splits.source}: these are not the faces of study {study.name}; "
            "say where those are with --data"
        )
    if study.metric not in metric_names(splits.classes):
        raise UserError(f"study {study.name} says it was searched by {study.metric}, no metric")
    epochs = options.epochs or study.epochs
    storage, name = Storage(options.storage), f"retrain-{trial.number:06d}-{epochs}"
    folder, kept = storage.here / study.name / name, storage.study(study.name) / name
    return Retraining(study, trial, splits, epochs, folder, kept)


def _plan(what: Retraining, seeds: int) -> str:
    from fer_tune.model import FerNet, parameter_count

    network = FerNet(what.trial.config, len(what.splits.classes))
    return (
        f"Training trial {what.trial.number:03d} of {what.study.name} again (seeds: {seeds}): "
        f"{what.epochs} epochs on {len(what.splits.train):,} faces, "
        f"{parameter_count(network) / 1e6:.2f} M parameters"
    )


def _described(what: Retraining, told: str) -> "RetrainingDescription":
    from fer_tune.data.load import remarks
    from fer_tune.tracking.description import RetrainingDescription
    from fer_tune.version import code_version

    return RetrainingDescription(
        study=what.study,
        trial=what.trial,
        epochs=what.epochs,
        classes=what.splits.classes,
        command=told,
        code_version=code_version(),
        note="\n\n".join(remarks(what.splits)),
    )


def _outcome(
    console: "Console", run: "RetrainingRun", what: Retraining, seed: int
) -> "SeedOutcome":
    """What the seed gave before this retraining was broken off, or gives now."""
    outcome = run.finished_seed(seed) or _train_seed(console, run, what, seed)
    console.print(
        f"seed {seed}: epoch {outcome.best.epoch} kept, "
        f"test accuracy {outcome.test.accuracy:.3f}, macro F1 {outcome.test.macro_f1:.3f}; "
        f"model {outcome.model}",
        soft_wrap=True,
    )
    return outcome


def _train_seed(
    console: "Console", run: "RetrainingRun", what: Retraining, seed: int
) -> "SeedOutcome":
    from fer_tune.terminal.tables import progress
    from fer_tune.training.final import train_and_test
    from fer_tune.training.state import Task

    task = Task(what.trial.config, what.epochs, seed, what.study.metric)
    kept = what.kept / f"seed-{seed}"
    faces = _faces(what, seed)
    with run.open_seed(seed) as seed_run, progress(console) as bar:
        job = bar.add_task(f"seed {seed}", total=what.epochs, shown="")

        def on_epoch(result: "EpochResult") -> None:
            seed_run.log_epoch(result)
            shown = f"F1 {result.metrics['val/macro_f1']:.3f}, gap {result.metrics['gap']:.3f}"
            bar.update(job, completed=result.epoch, shown=shown)

        final = train_and_test(task, faces, what.splits.test, kept, on_epoch, console.print)
        return seed_run.log_final(final)


def _faces(what: Retraining, seed: int) -> "TrialFaces":
    from fer_tune.training.faces import trial_faces

    return trial_faces(what.splits, what.splits.train, what.trial.config.data_plan, seed)


def _show(
    console: "Console",
    run: "RetrainingRun",
    classes: Sequence[str],
    outcomes: Sequence["SeedOutcome"],
) -> None:
    from fer_tune.paper import REMARK
    from fer_tune.terminal.scores import class_table, overall_table

    best, tests = [each.best for each in outcomes], [each.test for each in outcomes]
    for table in (class_table(classes, tests), overall_table(best, tests)):
        console.print()
        console.print(table)
    console.print("\n" + REMARK)
    run.log_summary(outcomes)


if __name__ == "__main__":
    command.run(main)
