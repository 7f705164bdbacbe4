"""The command retrain: train a study's best trial again, test it and register its model."""

from collections.abc import Sequence

from fer_tune.common import cli
from fer_tune.defaults import STUDIES_FOLDER
from fer_tune.retrain.training_options import add_moved_options, add_training_options

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
    add, text = parser.add_argument, cli.parse_nonempty
    number, count = cli.make_number_parser(0, int), cli.make_number_parser(1, int)
    add("--study", type=text, required=True, metavar="STUDY", help="the study")
    add("--trial", type=number, metavar="N", help="the trial (default: the best one)")
    add("--epochs", type=count, metavar="N", help="epochs to train (default: those of the study)")
    add_training_options(parser)
    add_moved_options(parser)
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    storage = str(STUDIES_FOLDER)
    add("--storage", type=text, default=storage, metavar="DIR", help="as for the search")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Train the trial again with each seed, compare the best model and register it."""
    args = build_parser().parse_args(argv)
    from fer_tune.common.console import create_console
    from fer_tune.retrain.run_retraining import retrain_trial

    retrain_trial(create_console(), args, cli.format_command_line("fer_tune.retrain", argv))


if __name__ == "__main__":
    cli.run_command(main)
