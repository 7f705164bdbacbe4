"""What every command does around its own work: exit codes, and errors told in one line."""

import argparse
import math
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from fer_tune.common.errors import UserError
from fer_tune.common.text import escape_unprintable, hide_passwords


class _HelpFormatter(argparse.HelpFormatter):
    """Breaks a description into lines, and leaves the lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class CommandParser(argparse.ArgumentParser):
    """One that tells a mistake in one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter} | settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {escape_unprintable(message)}; --help lists the options\n")


def format_program_name(name: str) -> str:
    """What was typed to come to the command of that name."""
    typed = Path(sys.argv[0])
    if typed.stem == "fer-tune":
        return f"fer-tune {name}"
    whole = (typed.parent.name, typed.name) == ("fer_tune", "__main__.py")
    return f"python -m fer_tune {name}" if whole else f"python -m fer_tune.{name}"


def parse_nonempty(text: str) -> str:
    """What argparse reads a name with.

    An empty one, as of an unset variable, is refused, and one that no record could hold.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text} is no UTF-8") from None
    return text


def parse_path(text: str) -> Path:
    """What argparse reads a path with, as `parse_nonempty`."""
    return Path(parse_nonempty(text))


def make_number_parser(
    low: int, number_type: type[int] | type[float], below: float = math.inf
) -> Callable[[str], float]:
    """What argparse reads a number with; one outside [low, below) is refused in words."""

    def convert(text: str) -> float:
        value = number_type(text)
        if not low <= value < below:
            most = "" if below == math.inf else f", and below {below}"
            raise argparse.ArgumentTypeError(f"{text} is not {low} or more{most}")
        return value

    convert.__name__ = "number" if number_type is float else "whole number"
    return convert


def run_command(
    main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None
) -> NoReturn:
    """Run `main` on the command line's arguments and leave the process.

    Exit codes: 0 done, 2 the user can put it right (argparse's own errors too), 130 Ctrl-C,
    1 anything else, with its traceback.
    """
    signal.signal(signal.SIGTERM, _interrupt_on_sigterm)
    try:
        main(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _interrupt_on_sigterm(*_: object) -> None:
    """Asked to end, a command ends as at Ctrl-C, which loses nothing."""
    # A script's shell has what it starts in the background ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def format_command_line(module: str, argv: Sequence[str] | None = None) -> str:
    """A command line that runs a module with these arguments, or with this process's own.

    For people and records, so passwords in addresses are left out.
    """
    arguments = sys.argv[1:] if argv is None else argv
    return shlex.join([find_python_command(), "-m", module, *map(hide_passwords, arguments)])


def find_python_command() -> str:
    """What to type for this interpreter: `find_python_command` where a shell finds it by that name."""
    found = shutil.which("python")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "python"
    here = Path(sys.executable)
    return str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here)
