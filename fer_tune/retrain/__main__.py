"""The command retrain: train a study's best trial again, test it and register its model."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_tune.common import cli
from fer_tune.common.errors import UserError
from fer_tune.defaults import STUDIES_FOLDER
from fer_tune.retrain.training_options import add_training_options

if TYPE_CHECKING:
    from rich.console import Console

    from fer_tune.retrain.train_seeds import RetrainSpec
    from fer_tune.tracking.store import Store

_EXAMPLE = """\
example:
  %(prog)s --study paper-0412-101500 --seeds 3
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("retrain"),
        description="Train a study's best trial again, on the whole training split. Score it once "
        "on the test split, compare it with the baseline and with the champion, and register its "
        "model.",
        epilog=_EXAMPLE,
    )
    add, text, path = parser.add_argument, cli.parse_nonempty, cli.parse_path
    number, count = cli.make_number_parser(0, int), cli.make_number_parser(1, int)
    add("--study", type=text, required=True, metavar="STUDY", help="the study")
    add("--trial", type=number, metavar="N", help="the trial (default: the best one)")
    add("--epochs", type=count, metavar="N", help="epochs to train (default: those of the study)")
    add_training_options(parser)
    add("--data", type=path, metavar="PATH", help="the study's faces, if they have moved")
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    storage = str(STUDIES_FOLDER)
    add("--storage", type=text, default=storage, metavar="DIR", help="as for the search")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Train the trial again with each seed, compare the best model and register it."""
    args = build_parser().parse_args(argv)
    from fer_tune.common.console import create_console, show_step
    from fer_tune.retrain.run_retraining import run_retraining
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.tracking.store import open_store

    console, command = create_console(), cli.format_command_line("fer_tune.retrain", argv)
    with open_storage(args.storage).suggest_resume(args.study):
        with show_step(console, "connecting to MLflow"):
            store = open_store(args.tracking_uri, create=False)
        spec = _make_spec(console, store, args, command)
    try:
        run_retraining(console, store, spec, args)
    except KeyboardInterrupt:
        hint = f"Stopped. The same command continues after the last epoch: {command}"
        console.print(hint, soft_wrap=True)
        raise


def _make_spec(
    console: "Console", store: "Store", args: argparse.Namespace, command: str
) -> "RetrainSpec":
    from fer_tune.common.console import show_step
    from fer_tune.retrain.train_seeds import RetrainSpec
    from fer_tune.scoring.metrics import list_metric_names
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.tracking.choose_trial import choose_trial
    from fer_tune.tracking.queries import find_study
    from fer_tune.tracking.study_and_retrain_info import RetrainInfo

    study = find_study(store, args.study)
    trial = choose_trial(store, study, args.trial)
    with show_step(console, "reading the faces"):
        splits = study.load_splits(args.data)
    if study.metric not in list_metric_names(splits.classes):
        raise UserError(f"study {study.name}: no metric is called {study.metric}; was it changed?")
    info = RetrainInfo(study, trial, args.epochs or study.epochs, splits, command)
    return RetrainSpec(info, open_storage(args.storage), args.seeds)


if __name__ == "__main__":
    cli.run_command(main)
