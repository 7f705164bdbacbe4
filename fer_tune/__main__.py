"""fer-tune: all commands under one name."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fer_tune.common import cli

# In the order of use. Each is a package; its `__main__` module has `main` and `build_parser`.
COMMANDS = {
    "search": "run or resume a study",
    "report": "write the results of a study as an HTML page",
    "retrain": "train the best trial of a study again and test it",
    "evaluate": "score a model on labelled faces",
    "predict": "name the expressions in images",
    "export": "write a model as an ONNX file",
    "ablate": "find out which changes of a study's best trial help",
    "train": "train one configuration of your own and test it",
    "studies": "list, rename and delete studies",
    "data": "check a set of faces",
    "suspects": "list training faces whose label is probably wrong",
}
PACKAGES = {"studies": "manage"}  # of commands that are called otherwise
# What a shell completes, by the placeholder of an argument.
_COMPLETED_NAMES = {"STUDY": "studies", "MODEL": "models"}
_PRINT_NAMES = "--print-names"  # the option with which the shell asks for them
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
    if arguments[:1] == [_PRINT_NAMES]:
        cli.run_command(_print_names, arguments[1:])
    cli.run_command(_run_without_command, arguments)


def _import_command(name: str) -> Any:
    return import_module(f"fer_tune.{PACKAGES.get(name, name)}.__main__")


def _print_names(argv: Sequence[str] | None) -> None:
    """Print the names of the kind that the argument names, a line for each."""
    from fer_tune.tracking.stored_names import list_stored_names

    print(*(name for kind in argv or () for name in list_stored_names(kind)), sep="\n")


def _run_without_command(argv: Sequence[str] | None) -> None:
    """Parse options such as --help, which stand instead of a command."""
    # Only completion needs the options of all commands, and their import takes time.
    needs_options = any(argument.startswith("--print-c") for argument in argv or ())
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
    add = options.add_argument
    add("-h", "--help", action="help", help="print this help")
    add("--version", action="version", version=version("fer_tune"), help="print the version")
    shtab.add_argument_to(options, "--print-completion", help="for this shell; see the examples")
    for name, summary in COMMANDS.items():
        parents = [_import_command(name).build_parser()] if with_options else []
        for parent in parents:
            _add_completion(parent)
        commands.add_parser(name, help=summary, parents=parents, add_help=not with_options)
    return parser


def _add_completion(parser: cli.CommandParser) -> None:
    """Let the shell complete arguments that are paths or names of studies and models."""
    import shtab

    for action in parser._actions:
        if action.type is cli.parse_path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif kind := _COMPLETED_NAMES.get(str(action.metavar)):
            action.complete = _complete_names(kind)  # type: ignore[attr-defined]


def _complete_names(kind: str) -> dict[str, Any]:
    """Return how each shell completes names of a kind, for shtab."""
    import shtab

    command, function = f"fer-tune {_PRINT_NAMES} {kind}", f"_fer_tune_{kind}"
    completion: dict[str, Any] = shtab.cmd(command)
    # shtab lets zsh ask only once, when it loads the script.
    completion["zsh"] = function
    completion["preamble"]["zsh"] = f"{function}() {{ compadd -- $({command}) }}"
    return completion


if __name__ == "__main__":
    main()
