"""python -m fer_tune.suspects: list the training faces whose label is probably wrong."""

from collections.abc import Sequence

from fer_tune.common import cli
from fer_tune.data.read_options import LABELS_HELP, parse_labels

EPOCHS, FOLDS, SEED = 12, 5, 0
_EXAMPLE = """\
example:
  %(prog)s fer2013.csv
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("suspects"),
        description="Find training faces whose label is probably wrong. A small network learns "
        "from a part of the training faces, and predicts the others. All training faces are "
        "listed, the most unlikely label first.",
        epilog=_EXAMPLE,
    )
    add, count = parser.add_argument, cli.make_number_parser(1, int)
    path = "the faces, as for the search (default: $FER_TUNE_DATA, else data/, else demo faces)"
    add("path", nargs="?", type=cli.parse_path, metavar="PATH", help=path)
    add("--skip-bad", action="store_true", help="leave out what cannot be read")
    add("--labels", type=parse_labels, metavar="PAIRS", help=LABELS_HELP)
    output = "folder for the list and the sheet of faces (default: mlruns/suspects/NAME)"
    add("--out", type=cli.parse_path, metavar="FOLDER", help=output)
    folds = f"networks; each predicts the faces of one fold (default: {FOLDS})"
    add("--folds", type=cli.make_number_parser(2, int, 101), default=FOLDS, metavar="N", help=folds)
    epochs = f"epochs of each network (default: {EPOCHS})"
    add("--epochs", type=count, default=EPOCHS, metavar="N", help=epochs)
    seed = f"seed of the folds and of the training (default: {SEED})"
    parse_seed = cli.make_number_parser(0, int, 2**31)
    add("--seed", type=parse_seed, default=SEED, metavar="N", help=seed)
    uri = "as for the search; without effect, since the command reads no study"
    add("--tracking-uri", type=cli.parse_nonempty, metavar="URI", help=uri)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write the list of suspects and a sheet of the most suspicious faces."""
    args = build_parser().parse_args(argv)
    from fer_tune.common.console import create_console
    from fer_tune.suspects.find_suspects import find_suspects

    find_suspects(create_console(), args, cli.format_command_line("fer_tune.suspects", argv))


if __name__ == "__main__":
    cli.run_command(main)
