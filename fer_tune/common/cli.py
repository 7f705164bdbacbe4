"""What all commands share: parsing of arguments, exit codes, one-line errors, safe output."""

import argparse
import getpass
import math
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import escape_unprintable, hide_passwords


class _HelpFormatter(argparse.HelpFormatter):
    """A formatter that wraps a description, and leaves the lines of examples unchanged."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class CommandParser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter} | options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {escape_unprintable(message)}; --help lists the options\n")


def format_program_name(name: str, package: str | None = None) -> str:
    """Return what the user typed to run the command `name`.

    package: of the command, if it has another name.
    """
    program = Path(sys.argv[0])
    if program.stem == "fer-tune":
        return f"fer-tune {name}"
    is_package = (program.parent.name, program.name) == ("fer_tune", "__main__.py")
    return f"python -m fer_tune {name}" if is_package else f"python -m fer_tune.{package or name}"


def parse_nonempty(text: str) -> str:
    """Return an argument unchanged, for argparse.

    Refuses an empty one (an unset variable), and one that is not UTF-8 (no record could store it).
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text} is no UTF-8") from None
    return text


def parse_path(text: str) -> Path:
    """Return an argument as a path, for argparse; refuses what `parse_nonempty` refuses."""
    return Path(parse_nonempty(text))


def make_number_parser(
    low: int, number_type: type[int] | type[float], below: float = math.inf
) -> Callable[[str], float]:
    """Return a parser of numbers for argparse, which refuses those outside [low, below)."""

    def parse_number(text: str) -> float:
        value = number_type(text)
        if not low <= value < below:
            limit = "" if below == math.inf else f", and below {below}"
            raise argparse.ArgumentTypeError(f"{text} is not {low} or more{limit}")
        return value

    parse_number.__name__ = "number" if number_type is float else "whole number"
    return parse_number


def run_command(
    main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None
) -> NoReturn:
    """Run `main` with the arguments of the command line, and exit.

    Exit codes: 0 done; 2 a mistake of the user, as argparse has it, or lost output; 130 Ctrl-C.
    Any other error has 1 and its traceback.
    """
    _set_home_and_user()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        signal.signal(signal.SIGHUP, _interrupt)
    code: str | int | None = 0
    with replace_output_streams() as output:
        try:
            main(argv)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
        except SystemExit as end:  # of argparse, or of a search without any result
            code = end.code
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            code = 130
    if output and output.failure:
        advice = "free disk space, or send the output elsewhere"
        print(f"error: the output is incomplete: {output.failure}; {advice}", file=sys.stderr)
        code = code or 2
    sys.exit(code)


def exit_at_once(error: UserError) -> NoReturn:
    """End the command with an error, from any thread, even if the main thread hangs."""
    print(f"error: {error}", file=sys.stderr)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # a shell may have closed one (>&-)
        stream.flush()
    os._exit(2)


def _set_home_and_user() -> None:
    """Set a home folder and a user for libraries, if the system knows none.

    A container that runs as `--user 12345` has none of its own. Docker then sets HOME to /.
    """
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/")
    os.environ["HOME"] = str(home if home.is_absolute() else "/")
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())


def _interrupt(number: int, _: object) -> None:
    """End the command as Ctrl-C does, which loses nothing."""
    if number == signal.SIGHUP:
        # A closed terminal sends SIGHUP several times. A second Ctrl-C would end a study at once.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A script's shell makes the commands that it starts in the background ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def format_command_line(module: str, argv: Sequence[str] | None = None) -> str:
    """Return the command line that runs a module, without passwords.

    In a container, FER_TUNE_COMMAND is what people type outside to run a command in it.

    argv: arguments of the module; those of this process if None.
    """
    arguments = sys.argv[1:] if argv is None else argv
    command = [find_command("python"), "-m", module]
    if outside := shlex.split(os.environ.get("FER_TUNE_COMMAND", "")):
        name = module.removeprefix("fer_tune.")
        command = outside if name == "search" else [*outside, name]
        arguments = _remove_added_options(arguments)
    return shlex.join([*command, *map(hide_passwords, arguments)])


def _remove_added_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without those that the container adds, FER_TUNE_OPTIONS."""
    added = shlex.split(os.environ.get("FER_TUNE_OPTIONS", ""))  # each as --name=value
    kept: list[str] = []
    for word in arguments:
        if kept and f"{kept[-1]}={word}" in added:
            kept.pop()
        elif word not in added:
            kept.append(word)
    return kept


def find_command(name: str) -> str:
    """Return what to type for a command of this Python: its name if a shell finds it."""
    path, known = Path(sys.executable), shutil.which(name)
    if known and Path(known).parent == path.parent:
        return name
    if name != "python":
        path = path.with_name(name)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


class OutputStream:
    """A text stream that escapes characters that its encoding lacks, and raises no error.

    A terminal may be closed, and the disk of a log may be full.

    failure: the first error that lost text; None without one, or if nobody reads the text.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        with self._note_failure():
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with self._note_failure():
            self._stream.flush()

    def discard(self) -> None:
        """Discard the text in the buffer and all further text."""
        with suppress(OSError, ValueError), Path(os.devnull).open("w") as devnull:
            os.dup2(devnull.fileno(), self._stream.fileno())

    @contextmanager
    def _note_failure(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.discard()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self.failure = self.failure or getattr(error, "strerror", None) or str(error)


@contextmanager
def replace_output_streams() -> Iterator[OutputStream | None]:
    """Replace stdout and stderr by streams that raise no error.

    Yields the stream for stdout; None if a shell has closed it (>&-).
    """
    output = OutputStream(sys.stdout) if sys.stdout else None
    errors = OutputStream(sys.stderr) if sys.stderr else None
    try:
        with redirect_stdout(cast("TextIO", output)), redirect_stderr(cast("TextIO", errors)):
            yield output
    finally:
        for stream in filter(None, (output, errors)):
            stream.flush()
            if stream.failure:
                stream.discard()  # otherwise Python reports at its exit what it cannot write
