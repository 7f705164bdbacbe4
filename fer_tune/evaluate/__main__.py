"""The command evaluate: score a model, or predictions, on labelled faces."""

from collections.abc import Sequence

from fer_tune.common import cli
from fer_tune.data.faces import SPLIT_NAMES
from fer_tune.data.read_options import LABELS_HELP, VOTES_HELP, parse_labels

_EXAMPLE = """\
examples:
  %(prog)s --data rafdb/
  %(prog)s --data fer2013.csv --predictions theirs.csv
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("evaluate"),
        description="Score a model on labelled faces: accuracy, macro F1, each class, calibration "
        "and the most confident mistakes. MLflow keeps the results.",
        epilog=_EXAMPLE,
    )
    add, text, path = parser.add_argument, cli.parse_nonempty, cli.parse_path
    model = "the model (default: models:/fer_tune@champion, else the newest retrained model)"
    add("model", nargs="?", type=text, metavar="MODEL", help=model)
    add("--data", type=path, metavar="PATH", help="the faces, as for the search")
    add("--skip-bad", action="store_true", help="leave out what cannot be read")
    add("--labels", type=parse_labels, metavar="PAIRS", help=LABELS_HELP)
    add("--votes", type=path, metavar="FILE", help=VOTES_HELP)
    split = "the faces to use (default: test, or all if the data has no splits)"
    add("--split", choices=(*SPLIT_NAMES, "all"), help=split)
    predictions = "a CSV of predictions for the same faces, to score and compare with the model"
    add("--predictions", type=path, metavar="FILE", help=predictions)
    add("--output", type=path, metavar="FILE", help="also write the page with all pictures here")
    add("--json", action="store_true", help="print JSON, for programs")
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate a model on labelled faces, print and record what was found."""
    args = build_parser().parse_args(argv)
    from fer_tune.evaluate.run_evaluation import run_evaluation

    run_evaluation(args, cli.format_command_line("fer_tune.evaluate", argv))


if __name__ == "__main__":
    cli.run_command(main)
