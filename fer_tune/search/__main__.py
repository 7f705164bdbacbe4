"""python -m fer_tune.search: run or resume a study."""

from collections.abc import Sequence

from fer_tune.common.cli import format_command_line, run_command
from fer_tune.search.options import build_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Plan the study that the command line describes, then print the plan or run it."""
    options = build_parser().parse_args(argv)

    from fer_tune.common.console import create_console
    from fer_tune.search.search_plan import make_plan, show_plan

    console = create_console()
    plan = make_plan(console, options, format_command_line("fer_tune.search", argv))
    if options.dry_run:
        show_plan(console, plan)
        return

    from fer_tune.search.run import run_search

    run_search(console, plan)


if __name__ == "__main__":
    run_command(main)
