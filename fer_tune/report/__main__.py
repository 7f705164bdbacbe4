"""The command report: write one HTML page about a study."""

from collections.abc import Sequence

from fer_tune.common import cli
from fer_tune.defaults import STUDIES_FOLDER

_EXAMPLE = """\
example:
  %(prog)s --study faces --output faces.html
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("report"),
        description="Write the results of a study, which may still be running, as one HTML page. "
        "The page is also stored with the study in MLflow.",
        epilog=_EXAMPLE,
    )
    add = parser.add_argument
    text, path = cli.parse_nonempty, cli.parse_path
    add("--study", type=text, required=True, metavar="STUDY", help="the study")
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    storage = str(STUDIES_FOLDER)
    add("--storage", type=text, default=storage, metavar="DIR", help="as for the search")
    add("--data", type=path, metavar="PATH", help="the study's faces, if they have moved")
    add("--votes", type=path, metavar="FILE", help="people's votes on them, if they have moved")
    page = "the page (default: report.html next to the event log)"
    add("--output", type=path, metavar="FILE", help=page)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report that the command line asks for, and print its path."""
    args = build_parser().parse_args(argv)

    from fer_tune.common.console import create_console, show_step
    from fer_tune.report.page import write_and_log_report
    from fer_tune.study.records.study_storage import open_storage
    from fer_tune.tracking.store import open_store

    console, storage = create_console(), open_storage(args.storage)
    with storage.suggest_resume(args.study), show_step(console, "writing the report"):
        store = open_store(args.tracking_uri, create=False, needs_write=False)
        storage.fetch_study(args.study)
        moved = args.data, args.votes
        page = write_and_log_report(store, args.study, storage, moved=moved, output=args.output)
    console.print(f"Report: {page}", soft_wrap=True)


if __name__ == "__main__":
    cli.run_command(main)
