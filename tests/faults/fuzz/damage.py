"""Randomly damaged inputs for the commands, and the checks of their refusals.

Whatever comes in, the outcome is success or a UserError of one line (and below it the first ten
bad faces).
"""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from fer_tune.common.errors import UserError

Test = Callable[..., None]


def fuzzed(examples: int) -> Callable[[Test], Test]:
    """Run a test on so many examples, the same every time.

    FUZZ_SEED=7 tries others, FUZZ_TIMES=10 ten times as many.
    """
    every = settings(
        max_examples=int(examples * float(os.environ.get("FUZZ_TIMES", "1"))),
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    return lambda test: seed(int(os.environ.get("FUZZ_SEED", "0")))(every(test))


def check_message(error: UserError) -> None:
    """Require one line, and below it at most ten bad faces."""
    first, *details = str(error).split("\n")
    assert first
    assert all(line.isprintable() for line in (first, *details))
    assert not details or ("bad faces" in first and len(details) <= 10)


# Text that breaks readers of text, images and tables.
NASTY = (
    *(b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b"\r", b"\r\n", b"\n", b",", b" "),
    *(
        b"-1",
        b"256",
        b"9" * 30,
        b"9" * 5000,
        b"nan",
        b"1e999",
        b"x",
        b"+",
        b"0x10",
        b"\xef\xbc\x97",
    ),
    *(b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\x1b[2J", b"../"),
)
PLACES = st.one_of(st.integers(0, 200), st.integers(-400, 0), st.integers(0, 1 << 20))
DAMAGE = st.tuples(
    st.sampled_from(["put", "insert", "drop", "cut", "double"]),
    PLACES,
    st.one_of(st.sampled_from(NASTY), st.binary(min_size=1, max_size=4)),
)


def damaged(content: bytes, damage: list[tuple[str, int, bytes]]) -> bytes:
    data = bytearray(content)
    for kind, place, new in damage:
        at = place % (len(data) + 1)
        match kind:
            case "put":
                data[at : at + len(new)] = new
            case "insert":
                data[at:at] = new
            case "drop":
                del data[at : at + 1 + place % 64]
            case "cut":
                del data[at:]
            case "double":
                data[at:at] = data[at : at + 512]
    return bytes(data)


NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, 1, 3, 5, 1e-4, 0.25, 1 << 80, 10**400, -1])
)
VALUES = st.one_of(
    NUMBERS, st.booleans(), st.none(), st.text(max_size=5), st.lists(NUMBERS, max_size=3)
)
