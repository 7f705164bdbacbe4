"""fer-tune: all commands under one name."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fer_tune.common import cli

# Each command is a package; its `__main__` module has `main` and `build_parser`.
COMMANDS = {
    "search": "run or resume a study",
    "retrain": "train the best trial of a study again and test it",
    "train": "train one configuration of your own and test it",
    "report": "write the results of a study as an HTML page",
    "evaluate": "score a model on labelled faces",
    "predict": "name the expressions in images",
    "export": "write a model as an ONNX file",
    "data": "check a set of faces",
    "studies": "list, rename and delete studies",
}
_PACKAGES = {"studies": "manage"}  # of commands that are called otherwise
_EXAMPLES = """\
examples:
  %(prog)s search --trials 20
  %(prog)s predict me.jpg
  %(prog)s --print-completion bash > ~/.local/share/bash-completion/completions/fer-tune
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names with the other arguments, and exit."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments and arguments[0] in COMMANDS:
        cli.run_command(_import_command(arguments[0]).main, arguments[1:])
    cli.run_command(_run_without_command, arguments)


def _import_command(name: str) -> Any:
    return import_module(f"fer_tune.{_PACKAGES.get(name, name)}.__main__")


def _run_without_command(argv: Sequence[str] | None) -> None:
    """Parse options such as --help, which stand instead of a command."""
    # Only completion needs the options of all commands, and their import takes time.
    needs_options = any(argument.startswith("--print") for argument in argv or ())
    _build_parser(with_options=needs_options).parse_args(argv)


def _build_parser(*, with_options: bool) -> cli.CommandParser:
    import shtab

    parser = cli.CommandParser(
        prog="fer-tune",
        description="Find out what reduces overfitting in small CNNs for facial expressions.",
        epilog=_EXAMPLES,
        add_help=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    options = parser.add_argument_group("options")
    options.add_argument("-h", "--help", action="help", help="print this help")
    options.add_argument(
        "--version", action="version", version=version("fer_tune"), help="print the version"
    )
    shtab.add_argument_to(options, "--print-completion", help="for this shell; see the examples")
    for name, summary in COMMANDS.items():
        parents = [_complete_paths(_import_command(name).build_parser())] if with_options else []
        commands.add_parser(name, help=summary, parents=parents, add_help=not with_options)
    return parser


def _complete_paths(parser: cli.CommandParser) -> cli.CommandParser:
    """Let the shell complete arguments that are paths."""
    import shtab

    for action in parser._actions:
        if action.type is cli.parse_path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser


if __name__ == "__main__":
    main()
