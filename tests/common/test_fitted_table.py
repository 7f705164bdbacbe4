import pytest
from rich.console import Console

from fer_tune.common.fitted_table import FittedTable


def _make_table() -> FittedTable:
    """Return a table of which 26 columns need no optional column."""
    table = FittedTable(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.optional = (3, 1)
    for name in ("trial", "epoch", "F1"):
        table.add_column(name, no_wrap=True)
    table.add_column("settings")
    table.add_row("000 baseline", "12 of 15", "0.578", "depth=1 rate=0.001")
    return table


def _render(table: FittedTable, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (60, ["000 baseline 12 of 15 0.578 depth=1 rate=0.001"]),
        (42, ["000 baseline 12 of 15 0.578 depth=1", "                            rate=0.001"]),
        (37, ["000 baseline 12 of 15 0.578"]),
        (26, ["000 baseline 0.578"]),
    ],
)
def test_a_narrow_terminal_lacks_columns_but_no_part_of_a_number(
    width: int, lines: list[str]
) -> None:
    assert _render(_make_table(), width)[1:] == lines


def test_a_table_is_the_same_after_it_was_printed_in_a_narrow_terminal() -> None:
    table = _make_table()
    wide = _render(table, 80)
    _render(table, 20)
    assert _render(table, 80) == wide


def test_long_names_are_folded_before_a_column_is_left_out() -> None:
    table = FittedTable(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.optional = [1]
    table.add_column("file", overflow="fold")
    table.add_column("F1", no_wrap=True)
    table.add_row("photographs/of/a/holiday.jpg", "0.578")
    assert _render(table, 20)[1:] == ["photographs/of 0.578", "/a/holiday.jpg"]
