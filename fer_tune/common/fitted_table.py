"""Tables for terminals of any width."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

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
        saved = 0
        for column in self.columns:
            width = self._measure_column(console, unlimited, column)
            narrow = min(width.minimum, _NARROW_NAME if column.overflow == "fold" else 10_000)
            saved += 0 if column.no_wrap else width.maximum - narrow
        return Measurement.get(console, unlimited, self).maximum - saved
