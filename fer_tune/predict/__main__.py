"""python -m fer_tune.predict: what a trained model sees in faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fer_tune.common import cli as cli
from fer_tune.common.errors import UserError

if TYPE_CHECKING:
    from pandas import DataFrame

    from fer_tune.predict.photos import Photo, PhotoFace, UnreadableFile

_EXAMPLE = """\
examples:
  %(prog)s me.jpg
  %(prog)s holiday/ '*.png' --csv > expressions.csv
"""


@dataclass(frozen=True)
class PredictOptions:
    """The command line; None where the user left an option out."""

    files: list[Path]
    model: str | None
    tracking_uri: str | None
    form: str


def build_parser() -> cli.CommandParser:
    """What reads the command line."""
    made = cli.CommandParser(
        prog=cli.format_program_name("predict"),
        description="Name the expressions of faces. The faces in a photograph are found; a small "
        "square image, or one in which no face is found, is taken as a face.",
        epilog=_EXAMPLE,
    )
    made.add_argument(
        "files",
        nargs="+",
        type=cli.parse_path,
        metavar="FILE",
        help="images, folders or zips of them, or a pattern",
    )
    made.add_argument(
        "--model",
        type=cli.parse_nonempty,
        metavar="URI",
        help="models:/NAME@ALIAS, models:/NAME/VERSION or models:/ID "
        "(default: models:/fer_tune@champion, else the newest retrained)",
    )
    made.add_argument(
        "--tracking-uri", type=cli.parse_nonempty, metavar="URI", help="as of the search"
    )
    forms = made.add_mutually_exclusive_group()
    for form in ("json", "csv"):
        forms.add_argument(
            f"--{form}",
            dest="form",
            action="store_const",
            const=form,
            default="table",
            help=f"print {form.upper()}, with the probabilities of all classes",
        )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Find the faces that a command line means, and print what the model sees in them.

    Raises UserError at the end for files that cannot be read.
    """
    options = PredictOptions(**vars(build_parser().parse_args(argv)))
    from fer_tune.predict.photos import open_photos

    with open_photos(options.files) as (photos, unread):
        if photos:
            _print_predictions(options, photos, unread)
    if unread:
        told = [f"{file}: {why}" for file, why in unread]
        raise UserError(f"what cannot be read: {len(unread):,}", told)


def _print_predictions(
    options: PredictOptions, photos: "Sequence[Photo]", unreadable: "list[UnreadableFile]"
) -> None:
    import numpy as np

    from fer_tune.common.console import create_console
    from fer_tune.predict import output
    from fer_tune.tracking.models.log_model import load_model
    from fer_tune.tracking.registry import find_default_model_uri
    from fer_tune.tracking.store import open_store

    store = open_store(options.tracking_uri, create=False)
    address = options.model or find_default_model_uri(store)
    model = load_model(store, address)
    console = create_console()
    with console.status(f"looking at the images: {len(photos):,}"):
        faces = _extract_all_faces(photos, unreadable)
    if not faces:
        return
    seen = np.stack([face.image for face in faces])
    probabilities = cast("DataFrame", model.predict(seen))
    if options.form == "json":
        console.out(output.format_json(address, faces, probabilities, unreadable), end="")
    elif options.form == "csv":
        console.out(output.format_csv(faces, probabilities), end="")
    else:
        console.print(output.build_table(faces, probabilities))
        console.print(f"Model: {address}", soft_wrap=True)


def _extract_all_faces(
    photos: "Sequence[Photo]", unreadable: "list[UnreadableFile]"
) -> "list[PhotoFace]":
    """The faces in all photographs; those that cannot be read are added to `unread`."""
    from fer_tune.data.formats.image_file import BrokenImageError, suppress_pillow_warnings
    from fer_tune.predict.photos import UnreadableFile, extract_faces

    faces = []
    with suppress_pillow_warnings():
        for photo in photos:
            try:
                faces += extract_faces(photo)
            except BrokenImageError as error:
                unreadable.append(UnreadableFile(photo.file, str(error)))
    return faces


if __name__ == "__main__":
    cli.run_command(main)
