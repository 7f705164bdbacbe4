"""Tables as Markdown, to be pasted where the figures are shown."""

from collections.abc import Iterable, Sequence


def format_markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A row a line, below its headings."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
