"""python -m fer_tune.predict: the expressions of faces in images, by a trained model."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from fer_tune.common import cli
from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable, pluralize

if TYPE_CHECKING:
    from pandas import DataFrame

    from fer_tune.predict.extract_faces import PhotoFiles

_LONGEST_ROW = 10_000  # in a log or a pipe: no file's name continues in the next line
_EXAMPLE = """\
examples:
  %(prog)s me.jpg
  %(prog)s holiday/ '*.png' --csv > expressions.csv
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("predict"),
        description="Name the expressions in images. A detector finds the faces in a photograph; a "
        "small square image, or one without a detected face, is taken as a face.",
        epilog=_EXAMPLE,
    )
    add, text = parser.add_argument, cli.parse_nonempty
    files = "images, folders, zips, or patterns such as '*.png'"
    add("files", nargs="+", type=cli.parse_path, metavar="FILE", help=files)
    default = "(default: models:/fer_tune@champion, else the newest retrained model)"
    model = f"models:/NAME@ALIAS, models:/NAME/VERSION or models:/ID {default}"
    add("--model", type=text, metavar="MODEL", help=model)
    share = cli.make_number_parser(0, float, below=1)
    least = "say unsure if the most likely expression has a probability below P, such as 0.6"
    add("--at-least", type=share, default=0, metavar="P", help=least)
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    add_format = parser.add_mutually_exclusive_group().add_argument
    for name in ("json", "csv"):
        shown = f"print {name.upper()}, with the probabilities of all classes"
        add_format(f"--{name}", dest="format", action="store_const", const=name, help=shown)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Print what the model predicts for the faces in images.

    Raises UserError at the end for files that cannot be read.
    """
    args = build_parser().parse_args(argv)
    from fer_tune.predict.extract_faces import open_photos

    with open_photos(args.files) as files:
        if files.photos:
            _print_predictions(args, files)
    for note in files.notes:
        print(escape_unprintable(note), file=sys.stderr)
    if files.unreadable:
        reasons = [f"{file}: {reason}" for file, reason in files.unreadable]
        raise UserError(f"{pluralize(len(reasons), 'file')} cannot be read:", reasons)


def _print_predictions(args: Namespace, files: "PhotoFiles") -> None:
    import numpy as np

    from fer_tune.common.console import create_console, show_step
    from fer_tune.predict import output
    from fer_tune.predict.extract_faces import extract_all_faces
    from fer_tune.tracking.models.log_model import load_model
    from fer_tune.tracking.registry import find_default_model_uri
    from fer_tune.tracking.store import open_store

    console = create_console()
    with show_step(console, "loading the model"):
        store = open_store(args.tracking_uri, create=False, needs_write=False)
        uri = args.model or find_default_model_uri(store)
        model = load_model(store, uri)
    with show_step(console, f"looking for faces in {pluralize(len(files.photos), 'image')}"):
        faces = extract_all_faces(files)
    if not faces:
        return
    images = np.stack([face.image for face in faces])
    probabilities = cast("DataFrame", model.predict(images))
    if args.format == "json":
        text = output.format_json(uri, faces, probabilities, files.unreadable, args.at_least)
        console.out(text, end="")
    elif args.format == "csv":
        console.out(output.format_csv(faces, probabilities, args.at_least), end="")
    else:
        if not console.is_interactive:
            console.width = _LONGEST_ROW
        console.print(output.build_table(faces, probabilities, args.at_least))
        console.print(f"Model: {uri}", soft_wrap=True)


if __name__ == "__main__":
    cli.run_command(main)
