"""The command train: train one configuration, test it and register its model."""

import argparse
from collections.abc import Sequence
from typing import get_args

from fer_tune import defaults
from fer_tune.common import cli
from fer_tune.data.read_options import LABELS_HELP, VOTES_HELP, SplitRule, parse_labels
from fer_tune.retrain.training_options import add_training_options

_EXAMPLES = """\
examples:
  %(prog)s --data fer.csv --set learning_rate=3e-4 --set depth=4
  %(prog)s --data fer.csv --config trial.yaml --epochs 24
  %(prog)s --data fer.csv --from faces:7 --seeds 3
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("train"),
        description="Train one configuration, without a search. Test it once, compare it with the "
        "baseline and with the champion, and register its model. What is not set is the "
        "baseline's, the paper's configuration.",
        epilog=_EXAMPLES,
    )
    _add_configuration_options(parser.add_argument_group("configuration"))
    _add_faces_options(parser.add_argument_group("faces"))
    _add_training_options(parser)
    _add_record_options(parser.add_argument_group("records"))
    return parser


def _add_configuration_options(group: argparse._ArgumentGroup) -> None:
    add, text = group.add_argument, cli.parse_nonempty
    values = "a hyperparameter, such as learning_rate=3e-4; repeat the option for others"
    add("--set", type=text, action="append", default=[], metavar="NAME=VALUE", help=values)
    start = group.add_mutually_exclusive_group()
    config = "YAML file with a line NAME: VALUE for each hyperparameter"
    start.add_argument("--config", type=cli.parse_path, metavar="FILE", help=config)
    trial = "start from this trial (without a number: from the best one)"
    start.add_argument("--from", dest="origin", type=text, metavar="STUDY:TRIAL", help=trial)


def _add_faces_options(group: argparse._ArgumentGroup) -> None:
    add, count = group.add_argument, cli.make_number_parser(1, int)
    add("--data", type=cli.parse_path, metavar="PATH", help="as for the search")
    add("--skip-bad", action="store_true", help="leave out faces that cannot be read")
    add("--labels", type=parse_labels, metavar="PAIRS", help=LABELS_HELP)
    add("--votes", type=cli.parse_path, metavar="FILE", help=VOTES_HELP)
    sample = "train on a sample of N training faces, stratified by class"
    add("--train-faces", type=count, metavar="N", help=sample)
    add("--suspects", type=cli.parse_path, metavar="FILE", help="as for the search")
    rule = "exact: hold out faces as studies did before near-duplicates stayed together"
    add("--split-rule", choices=get_args(SplitRule), default="near", help=rule)


def _add_training_options(parser: cli.CommandParser) -> None:
    add, count = parser.add_argument, cli.make_number_parser(1, int)
    epochs = f"epochs to train (default: {defaults.EPOCHS})"
    add("--epochs", type=count, default=defaults.EPOCHS, metavar="N", help=epochs)
    metric = f"chooses the best epoch (default: {defaults.METRIC})"
    add("--metric", type=cli.parse_nonempty, default=defaults.METRIC, metavar="NAME", help=metric)
    seed = "the first seed, or S:N for that of trial N in a study with seed S (default: 0)"
    add("--seed", type=parse_seed, default=(0, None), metavar="SEED", help=seed)
    add_training_options(parser)


def _add_record_options(group: argparse._ArgumentGroup) -> None:
    add, text = group.add_argument, cli.parse_nonempty
    add("--study", type=text, metavar="NAME", help="name in the list of studies (default: time)")
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    storage = str(defaults.STUDIES_FOLDER)
    add("--storage", type=text, default=storage, metavar="DIR", help="as for the search")
    resume = "continue this training; repeat its other options"
    add("--resume", type=text, metavar="STUDY", help=resume)


def parse_seed(text: str) -> tuple[int, int | None]:
    """Return the seed, and the number of the trial that it belongs to; None for no trial."""
    seed, colon, number = text.partition(":")
    parse = cli.make_number_parser(0, int, 2**31)
    return int(parse(seed)), int(parse(number)) if colon else None


parse_seed.__name__ = "seed"


def main(argv: Sequence[str] | None = None) -> None:
    """Train the configuration that the command line describes, as a study of one trial."""
    args = build_parser().parse_args(argv)
    from fer_tune.common.console import create_console
    from fer_tune.train.run_training import run_training

    run_training(create_console(), args, cli.format_command_line("fer_tune.train", argv))


if __name__ == "__main__":
    cli.run_command(main)
