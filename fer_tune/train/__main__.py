"""The command train: train one configuration, test it and register its model."""

import argparse
from collections.abc import Sequence
from typing import get_args

from fer_tune import defaults
from fer_tune.common import cli
from fer_tune.data.read_options import SplitRule
from fer_tune.retrain.training_options import add_training_options
from fer_tune.search.options import add_faces_options, add_record_options

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
    faces, records = map(parser.add_argument_group, ("faces", "records"))
    add_faces_options(faces)
    rule = "exact: hold out faces as studies did before near-duplicates stayed together"
    faces.add_argument("--split-rule", choices=get_args(SplitRule), default="near", help=rule)
    _add_training_options(parser)
    name = "name in the list of studies (default: time)"
    records.add_argument("--study", type=cli.parse_nonempty, metavar="NAME", help=name)
    add_record_options(records, "continue this training; repeat its other options")
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


def _add_training_options(parser: cli.CommandParser) -> None:
    add, count = parser.add_argument, cli.make_number_parser(1, int)
    epochs = f"epochs to train (default: {defaults.EPOCHS})"
    add("--epochs", type=count, default=defaults.EPOCHS, metavar="N", help=epochs)
    metric = f"chooses the best epoch (default: {defaults.METRIC})"
    add("--metric", type=cli.parse_nonempty, default=defaults.METRIC, metavar="NAME", help=metric)
    seed = "the first seed, or S:N for that of trial N in a study with seed S (default: 0)"
    add("--seed", type=parse_seed, default=(0, None), metavar="SEED", help=seed)
    add_training_options(parser)


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
