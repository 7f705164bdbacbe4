"""python -m fer_tune.report: what a study found, as one page."""

from collections.abc import Sequence

from fer_tune.common.cli import (
    CommandParser,
    format_program_name,
    parse_nonempty,
    parse_path,
    run_command,
)
from fer_tune.defaults import STUDIES_FOLDER

_EXAMPLE = """\
example:
  %(prog)s --study faces --output faces.html
"""


def build_parser() -> CommandParser:
    """What reads the command line."""
    made = CommandParser(
        prog=format_program_name("report"),
        description="Write what a study found, or has found so far, as one HTML page, and keep it "
        "with the study in MLflow.",
        epilog=_EXAMPLE,
    )
    made.add_argument("--study", type=parse_nonempty, required=True, metavar="NAME")
    made.add_argument("--tracking-uri", type=parse_nonempty, metavar="URI", help="as of the search")
    made.add_argument(
        "--storage",
        type=parse_nonempty,
        default=str(STUDIES_FOLDER),
        metavar="DIR",
        help="as of the search",
    )
    made.add_argument(
        "--data",
        type=parse_path,
        metavar="PATH",
        help="where the study's faces are now, if moved",
    )
    made.add_argument(
        "--output",
        type=parse_path,
        metavar="FILE",
        help="default: report.html beside the study's journal",
    )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report that the command line asks for, and say where it is."""
    args = build_parser().parse_args(argv)

    from fer_tune.common.console import create_console
    from fer_tune.report.page import write_report
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.tracking.store import open_store

    console, storage = create_console(), open_storage(args.storage)
    with console.status("making the report"):
        store = open_store(args.tracking_uri, create=False)
        storage.fetch_study(args.study)
        written = write_report(store, args.study, storage, data=args.data, output=args.output)
    console.print(f"Report: {written}", soft_wrap=True)


if __name__ == "__main__":
    run_command(main)
