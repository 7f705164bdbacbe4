"""Text for people: plurals, lists, hidden passwords, escaped control characters."""

import re
from collections.abc import Sequence


def pluralize(count: float, noun: str) -> str:
    """Return `1 trial`, `2 trials` or `0.25 GPUs`."""
    return f"{count:,.7g} {noun}{'' if count == 1 else 's'}"


def join_first(names: Sequence[str], limit: int = 5) -> str:
    """Return names with commas between them; of more than `limit`, the first and an ellipsis."""
    return ", ".join([*names[:limit], *["..."] * (len(names) > limit)])


def hide_passwords(text: str) -> str:
    """Return `text` with stars for users and passwords in addresses.

    A password may contain colons, slashes and @, so it ends at the last @.
    """
    text = re.sub(r"://[^:/@]*(:.*)?@", "://***@", text)
    return re.sub(r"(password=)[^&\s]*", r"\1***", text)


def escape_unprintable(text: str) -> str:
    r"""Return `text` as one line that a terminal shows unchanged.

    Names of files may contain line breaks, bytes that are not text, and codes that move a cursor.
    The result has them as Python writes them: `\n`, `\udcff`, `\x1b`.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def make_folder_name(source: str) -> str:
    """Return a name for a folder, similar to that of the faces in `source`."""
    return re.sub(r"[^\w.-]+", "-", source).strip("-.") or "faces"


def find_first_sentence(text: str) -> str:
    """Return the first sentence of a text, on one line and without its full stop."""
    return re.split(r"\.\s", " ".join(text.split()))[0][:300].rstrip(".")
