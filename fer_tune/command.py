"""What every command does around its own work: exit codes, and errors told in one line."""

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from fer_tune.errors import UserError


def run(
    main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None
) -> NoReturn:
    """Run `main` on the command line's arguments and leave the process.

    Exit codes: 0 done, 2 the user can put it right (argparse's own errors too), 130 Ctrl-C,
    1 anything else, with its traceback.
    """
    try:
        main(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def line(module: str, argv: Sequence[str] | None) -> str:
    """The command line as it was, or could have been, typed."""
    return shlex.join(["python", "-m", module, *(sys.argv[1:] if argv is None else argv)])
