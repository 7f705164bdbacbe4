"""python -m fer_tune.report: what a study found, as one page."""

from collections.abc import Sequence

from fer_tune.common.cli import Parser, filled, filled_path, prog, run
from fer_tune.defaults import STUDIES

_EXAMPLE = """\
example:
  %(prog)s --study faces --output faces.html
"""


def build_parser() -> Parser:
    """What reads the command line."""
    made = Parser(
        prog=prog("report"),
        description="Write what a study found, or has found so far, as one HTML page, and keep it "
        "with the study in MLflow.",
        epilog=_EXAMPLE,
    )
    made.add_argument("--study", type=filled, required=True, metavar="NAME")
    made.add_argument("--tracking-uri", type=filled, metavar="URI", help="as of the search")
    made.add_argument(
        "--storage", type=filled, default=str(STUDIES), metavar="DIR", help="as of the search"
    )
    made.add_argument(
        "--data",
        type=filled_path,
        metavar="PATH",
        help="where the study's faces are now, if moved",
    )
    made.add_argument(
        "--output",
        type=filled_path,
        metavar="FILE",
        help="default: report.html beside the study's journal",
    )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report that the command line asks for, and say where it is."""
    args = build_parser().parse_args(argv)

    from fer_tune.common.console import new_console
    from fer_tune.report.write import write_report
    from fer_tune.study.records.study_storage import StudyStorage
    from fer_tune.tracking.store import open_store

    console, storage = new_console(), StudyStorage(args.storage)
    with console.status("making the report"):
        store = open_store(args.tracking_uri, create=False)
        storage.fetch_study(args.study)
        written = write_report(store, args.study, storage, data=args.data, output=args.output)
    console.print(f"Report: {written}", soft_wrap=True)


if __name__ == "__main__":
    run(main)
