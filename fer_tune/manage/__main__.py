"""The command studies: list all studies, rename one or delete one."""

from collections.abc import Sequence

from fer_tune.common import cli
from fer_tune.defaults import STUDIES_FOLDER

_USAGES = {"list": "list", "delete": "delete NAME", "rename": "rename OLD NEW"}
_EXAMPLES = """\
examples:
  %(prog)s
  %(prog)s delete faces
  %(prog)s rename faces faces-2026
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("studies", "manage"),
        description="List all studies, with their trials and best scores; rename or delete one.",
        epilog=_EXAMPLES,
    )
    add, text = parser.add_argument, cli.parse_nonempty
    action = "delete NAME, rename OLD NEW, or list (default)"
    add("action", nargs="?", choices=list(_USAGES), default="list", help=action)
    add("names", nargs="*", type=text, metavar="STUDY", help="the study, and its new name")
    add("--yes", action="store_true", help="delete or rename without asking")
    add("--json", action="store_true", help="print the list as JSON for programs")
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    storage = f"as for the search (default: where the study was begun, else {STUDIES_FOLDER})"
    add("--storage", type=text, metavar="DIR", help=storage)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """List the studies, or change one of them."""
    parser = build_parser()
    args = parser.parse_args(argv)
    usage = _USAGES[args.action]
    if len(args.names) != len(usage.split()) - 1:
        parser.error(f"give {usage}")

    from fer_tune.common.console import create_console, show_step
    from fer_tune.manage.change_study import delete_study, find_target, rename_study
    from fer_tune.manage.study_table import show_studies
    from fer_tune.tracking.store import open_store

    console, is_list = create_console(), args.action == "list"
    with show_step(console, "reading the studies"):
        store = open_store(args.tracking_uri, create=False, needs_write=not is_list)
    if is_list:
        show_studies(console, store, args.storage, as_json=args.json)
        return
    target = find_target(console, store, args.names[0], args.storage)
    if args.action == "delete":
        delete_study(target, ask=not args.yes)
    else:
        rename_study(target, args.names[1], ask=not args.yes)


if __name__ == "__main__":
    cli.run_command(main)
