"""python -m fer_tune.retrain: a study's best trial trained again, then tested, once."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_tune.common import cli as cli
from fer_tune.common.errors import UserError
from fer_tune.defaults import STUDIES_FOLDER

if TYPE_CHECKING:
    from fer_tune.retrain.train_seeds import RetrainSpec
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


def build_parser() -> cli.CommandParser:
    """What reads the command line."""
    made = cli.CommandParser(
        prog=cli.format_program_name("retrain"),
        description="Train a study's best trial again, to its full length and on all training "
        "faces; read the test faces, once; compare it with the paper's configuration and with the "
        "champion; and register its model.",
        epilog=_EXAMPLE,
    )
    whole = cli.make_number_parser(1, int)
    made.add_argument("--study", type=cli.parse_nonempty, required=True, metavar="NAME")
    made.add_argument(
        "--trial",
        type=cli.make_number_parser(0, int),
        metavar="N",
        help="default: the study's best",
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
    _add_location_options(made)
    return made


def _add_location_options(made: cli.CommandParser) -> None:
    made.add_argument(
        "--data",
        type=cli.parse_path,
        metavar="PATH",
        help="where the study's faces are now, if moved",
    )
    made.add_argument(
        "--tracking-uri", type=cli.parse_nonempty, metavar="URI", help="as of the search"
    )
    made.add_argument(
        "--storage",
        type=cli.parse_nonempty,
        default=str(STUDIES_FOLDER),
        metavar="DIR",
        help="as of the search",
    )


def parse_options(argv: Sequence[str] | None) -> RetrainOptions:
    """The command line; exits with code 2 where it is wrong."""
    return RetrainOptions(**vars(build_parser().parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> None:
    """Train the trial again with each seed, compare it on the test faces and register a model."""
    options = parse_options(argv)
    from fer_tune.common.console import create_console
    from fer_tune.common.lock import hold_lock
    from fer_tune.retrain.promote import RetrainResult, compare_and_register
    from fer_tune.retrain.train_seeds import load_or_train_baseline, load_or_train_seed
    from fer_tune.terminal import formatting
    from fer_tune.tracking.retrain_run import open_retrain_run
    from fer_tune.tracking.store import open_store

    console = create_console()
    store = open_store(options.tracking_uri, create=False)
    what = _make_spec(store, options, cli.format_command_line("fer_tune.retrain", argv))
    compared = options.against_paper and not what.is_baseline
    formatting.show_data_source(console, what.splits)
    console.print(_describe_plan(what, options.seeds, compared))
    described = what.to_retrain_info()
    try:
        with hold_lock(what.lock_path, "this retraining"):
            with open_retrain_run(store, described) as run:
                outcomes = [
                    load_or_train_seed(console, run, what, seed) for seed in range(options.seeds)
                ]
                paper = (
                    load_or_train_baseline(console, store, what, options.seeds)
                    if compared
                    else None
                )
                retrained = RetrainResult(described, what.splits, outcomes, paper, options.flip)
                address = compare_and_register(console, store, run, retrained)
            what.remove_checkpoints()
    except KeyboardInterrupt:
        again = f"Stopped. The same command goes on from the last epoch: {what.command}"
        console.print(again, soft_wrap=True)
        raise
    records = [] if options.tracking_uri is None else ["--tracking-uri", options.tracking_uri]
    use = cli.format_command_line("fer_tune.predict", ["FILE", "--model", address, *records])
    console.print(f"To use it on images: {use}", soft_wrap=True)


def _make_spec(store: "Store", options: RetrainOptions, command_line: str) -> "RetrainSpec":
    from fer_tune.data.load import reload_splits
    from fer_tune.retrain.choose_trial import choose_trial
    from fer_tune.retrain.train_seeds import RetrainSpec
    from fer_tune.scoring.metrics import list_metric_names
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.tracking.queries import find_study

    study = find_study(store, options.study)
    trial = choose_trial(store, study, options.trial)
    splits = reload_splits(options.data or study.data, skip_bad=study.skip_bad)
    if splits.content_hash() != study.faces_hash:
        raise UserError(
            f"{options.data or splits.source}: these are not the faces of study {study.name}; "
            "say where those are with --data"
        )
    if study.metric not in list_metric_names(splits.classes):
        raise UserError(f"study {study.name} says it was searched by {study.metric}, no metric")
    epochs = options.epochs or study.epochs
    return RetrainSpec(study, trial, splits, epochs, open_storage(options.storage), command_line)


def _describe_plan(spec: "RetrainSpec", seeds: int, with_baseline: bool) -> str:
    from fer_tune.model import FerNet, count_parameters

    network = FerNet(spec.trial.config, len(spec.splits.classes))
    beside = "; then the paper's configuration, if it never was" if with_baseline else ""
    gap, most = spec.trial.best_metrics.get("gap", 0.0), spec.study.max_gap
    above = most is not None and gap > most
    beside += f". The trial's gap was {gap:.3f}, above the limit of {most:g}" if above else ""
    return (
        f"Training trial {spec.trial.number:03d} of {spec.study.name} again (seeds: {seeds}): "
        f"{spec.epochs} epochs on {len(spec.splits.train):,} faces, "
        f"{count_parameters(network) / 1e6:.2f} M parameters{beside}"
    )


if __name__ == "__main__":
    cli.run_command(main)
