"""Tables for terminals of any width."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table

_NARROW_NAME = 10  # a column of names may be folded to this width


class FittedTable(Table):
    """A table without lines that leaves out columns instead of cutting cells.

    optional: indices of the columns that a narrow terminal lacks, in the order of leaving out.
    """

    optional: Sequence[int] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table, left_out = copy(self), set[int]()
        for index in self.optional:
            if table._measure_needed_width(console) <= options.max_width:
                break
            left_out.add(index)
            columns = [each for i, each in enumerate(self.columns) if i not in left_out]
            table.columns = [replace(each, _index=i) for i, each in enumerate(columns)]
        yield from super(FittedTable, table).__rich_console__(console, options)

    def _measure_needed_width(self, console: Console) -> int:
        """Return the width in which every number and word is whole."""
        unlimited = console.options.update(max_width=10_000)
        saved = sum(_measure_saving(console, unlimited, column) for column in self.columns)
        return Measurement.get(console, unlimited, self).maximum - saved


def _measure_saving(console: Console, options: ConsoleOptions, column: Column) -> int:
    """Return by how much a column can become narrower."""
    if column.no_wrap:
        return 0
    cells = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
    words = max(cell.minimum for cell in cells)
    needed = min(words, _NARROW_NAME) if column.overflow == "fold" else words
    return max(cell.maximum for cell in cells) - needed
