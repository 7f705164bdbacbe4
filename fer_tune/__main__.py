"""fer-tune: all commands under one name."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fer_tune.common import cli as cli

# Each is a package that can be run by itself; its `__main__` has a `main` and a `parser`.
COMMANDS = {
    "search": "run a study, or go on with one",
    "retrain": "train a study's best trial again, then test it",
    "report": "show what a study found, as a page",
    "predict": "name the expressions of faces",
    "data": "show what is in a set of faces, and what is wrong",
}
_EXAMPLES = """\
examples:
  %(prog)s search --trials 20
  %(prog)s predict me.jpg
  %(prog)s --print-completion bash > ~/.local/share/bash-completion/completions/fer-tune
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that is named first with the rest of the line, and leave the process."""
    typed = sys.argv[1:] if argv is None else list(argv)
    if typed and typed[0] in COMMANDS:
        cli.run_command(_import_command(typed[0]).main, typed[1:])
    cli.run_command(_run_without_command, typed)


def _import_command(name: str) -> Any:
    return import_module(f"fer_tune.{name}.__main__")


def _run_without_command(argv: Sequence[str] | None) -> None:
    """What can be typed instead of a command."""
    # All options of all commands are gathered only for a shell.
    parser = _build_parser(with_options=any(each.startswith("--print") for each in argv or ()))
    parser.parse_args(argv)


def _build_parser(*, with_options: bool) -> cli.CommandParser:
    import shtab

    parser = cli.CommandParser(
        prog="fer-tune",
        description="Find out what counters overfitting in small face-expression CNNs.",
        epilog=_EXAMPLES,
        add_help=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    options = parser.add_argument_group("options")
    options.add_argument("-h", "--help", action="help", help="show this and end")
    options.add_argument("--version", action="version", version=version("fer_tune"), help="show it")
    shtab.add_argument_to(options, "--print-completion", help="for a shell; see below")
    for name, what in COMMANDS.items():
        parents = (
            [_mark_file_arguments(_import_command(name).build_parser())] if with_options else []
        )
        commands.add_parser(name, help=what, parents=parents, add_help=not with_options)
    return parser


def _mark_file_arguments(parser: cli.CommandParser) -> cli.CommandParser:
    """Tell the shell which arguments are names of files."""
    import shtab

    for action in parser._actions:
        if action.type is cli.parse_path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser


if __name__ == "__main__":
    main()
