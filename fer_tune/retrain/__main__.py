"""python -m fer_tune.retrain: a study's best trial trained again, then tested, once."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_tune.common import cli as command
from fer_tune.common.errors import UserError
from fer_tune.defaults import STUDIES

if TYPE_CHECKING:
    from fer_tune.retrain.train_seeds import Retraining
    from fer_tune.tracking.store import Store

_EXAMPLE = """\
example:
  %(prog)s --study paper-0412-101500 --seeds 3
"""


@dataclass(frozen=True)
class RetrainOptions:
    """The command line; None where the user left an option out."""

    study: str
    trial: int | None
    epochs: int | None
    seeds: int
    against_paper: bool
    flip: bool
    data: Path | None
    tracking_uri: str | None
    storage: str


def parser() -> command.Parser:
    """What reads the command line."""
    made = command.Parser(
        prog=command.prog("retrain"),
        description="Train a study's best trial again, to its full length and on all training "
        "faces; read the test faces, once; compare it with the paper's configuration and with the "
        "champion; and register its model.",
        epilog=_EXAMPLE,
    )
    whole = command.number_from(1, int)
    made.add_argument("--study", type=command.filled, required=True, metavar="NAME")
    made.add_argument(
        "--trial", type=command.number_from(0, int), metavar="N", help="default: the study's best"
    )
    made.add_argument("--epochs", type=whole, metavar="N", help="default: the study's")
    made.add_argument(
        "--seeds", type=whole, default=1, metavar="K", help="train K times (default: 1)"
    )
    made.add_argument(
        "--against-paper",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train the paper's configuration in the same way, once, to compare (default: yes)",
    )
    made.add_argument(
        "--flip",
        action="store_true",
        help="also show test scores averaged over each face and its mirror image",
    )
    _add_places(made)
    return made


def _add_places(made: command.Parser) -> None:
    made.add_argument(
        "--data",
        type=command.filled_path,
        metavar="PATH",
        help="where the study's faces are now, if moved",
    )
    made.add_argument("--tracking-uri", type=command.filled, metavar="URI", help="as of the search")
    made.add_argument(
        "--storage",
        type=command.filled,
        default=str(STUDIES),
        metavar="DIR",
        help="as of the search",
    )


def parse(argv: Sequence[str] | None) -> RetrainOptions:
    """The command line; exits with code 2 where it is wrong."""
    return RetrainOptions(**vars(parser().parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> None:
    """Train the trial again with each seed, compare it on the test faces and register a model."""
    options = parse(argv)
    from fer_tune.common.console import new_console
    from fer_tune.common.lock import hold_lock
    from fer_tune.retrain.promote import Retrained, judge
    from fer_tune.retrain.train_seeds import paper_outcomes, seed_outcome
    from fer_tune.terminal import formatting as tables
    from fer_tune.tracking.retrain_run import open_retrain_run
    from fer_tune.tracking.store import open_store

    console = new_console()
    store = open_store(options.tracking_uri, create=False)
    what = _settled(store, options, command.line("fer_tune.retrain", argv))
    compared = options.against_paper and not what.is_papers
    tables.show_data_source(console, what.splits)
    console.print(_plan(what, options.seeds, compared))
    described = what.described()
    try:
        with hold_lock(what.lock, "this retraining"):
            with open_retrain_run(store, described) as run:
                outcomes = [seed_outcome(console, run, what, seed) for seed in range(options.seeds)]
                paper = paper_outcomes(console, store, what, options.seeds) if compared else None
                retrained = Retrained(described, what.splits, outcomes, paper, options.flip)
                address = judge(console, store, run, retrained)
            what.clear()
    except KeyboardInterrupt:
        again = f"Stopped. The same command goes on from the last epoch: {what.command}"
        console.print(again, soft_wrap=True)
        raise
    records = [] if options.tracking_uri is None else ["--tracking-uri", options.tracking_uri]
    use = command.line("fer_tune.predict", ["FILE", "--model", address, *records])
    console.print(f"To use it on images: {use}", soft_wrap=True)


def _settled(store: "Store", options: RetrainOptions, told: str) -> "Retraining":
    from fer_tune.data.load import reload_splits
    from fer_tune.retrain.train_seeds import Retraining
    from fer_tune.scoring.metrics import list_metric_names
    from fer_tune.study.records.study_storage import StudyStorage
    from fer_tune.tracking.queries import best_trial, find_study, find_trial

    study = find_study(store, options.study)
    if options.trial is None:
        trial = best_trial(store, study)
    else:
        trial = find_trial(store, study, options.trial)
    splits = reload_splits(options.data or study.data, skip_bad=study.skip_bad)
    if splits.content_hash() != study.faces_hash:
        raise UserError(
            f"{options.data or splits.source}: these are not the faces of study {study.name}; "
            "say where those are with --data"
        )
    if study.metric not in list_metric_names(splits.classes):
        raise UserError(f"study {study.name} says it was searched by {study.metric}, no metric")
    epochs = options.epochs or study.epochs
    return Retraining(study, trial, splits, epochs, StudyStorage(options.storage), told)


def _plan(what: "Retraining", seeds: int, compared: bool) -> str:
    from fer_tune.model import FerNet, parameter_count

    network = FerNet(what.trial.config, len(what.splits.classes))
    beside = "; then the paper's configuration, if it never was" if compared else ""
    gap, most = what.trial.best_metrics.get("gap", 0.0), what.study.max_gap
    above = most is not None and gap > most
    beside += f". The trial's gap was {gap:.3f}, above the limit of {most:g}" if above else ""
    return (
        f"Training trial {what.trial.number:03d} of {what.study.name} again (seeds: {seeds}): "
        f"{what.epochs} epochs on {len(what.splits.train):,} faces, "
        f"{parameter_count(network) / 1e6:.2f} M parameters{beside}"
    )


if __name__ == "__main__":
    command.run(main)
