"""The names of tables: whether they are the splits and shards of one data set, and complete."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data.faces import SplitName
from fer_tune.data.formats.class_and_split_names import match_file_split, match_split

# The number of a shard and of all shards: train-00000-of-00003.parquet.
_SHARD_PATTERN = re.compile(r"(\d+)[-_ ]?of[-_ ]?(\d+)")
# In "train (1)" and "train_v2", the number is that of a copy, not of a shard.
_find_words = re.compile(r"\(\d+\)|(?<![^\W\d_])[vV]\d+|[^\W\d_]+|\d+").findall
_SHARD_WORDS = frozenset({"partial", "part", "shard", "split"})


class _TableName(NamedTuple):
    """The parts of the path of a table.

    folder, stem: words of its folders and of its own name that name a data set.
    numbers: numbers in its name, one of which may be that of a shard.
    shards: number of all shards, 0 if unknown.
    """

    path: PurePosixPath
    folder: tuple[str, ...]
    stem: tuple[str, ...]
    numbers: tuple[int, ...]
    shards: int


def check_tables(paths: Iterable[PurePosixPath], source: str, choice: str) -> None:
    """Check that tables are the splits and shards of one data set, and that no shard is missing.

    choice: what the user can do about several data sets.

    Raises UserError if they are not.
    """
    by_split: defaultdict[SplitName | None, list[_TableName]] = defaultdict(list)
    for path in sorted(paths):
        by_split[match_file_split(path)].append(_parse_name(path))
    tables = [table for own in by_split.values() for table in own]
    rivals = next((own for own in by_split.values() if not _is_sharded(own)), [])
    if len({table.folder for table in tables}) > 1 or (None in by_split and len(by_split) > 1):
        rivals = tables
    if rivals:
        # The folders or files in which the data sets differ.
        depth = len(PurePosixPath(os.path.commonpath([own.path for own in rivals])).parts) + 1
        names = join_first(sorted({"/".join(own.path.parts[:depth]) for own in rivals}))
        raise UserError(f"{source} holds several data sets ({names}); {choice}")
    for own in by_split.values():
        _check_shards(own, source)


def _parse_name(path: PurePosixPath) -> _TableName:
    stem, numbers, shards = path.stem, tuple[int, ...](), 0
    if match := _SHARD_PATTERN.search(stem):  # hubs may write a hash after it
        stem, numbers, shards = stem[: match.start()], (int(match[1]),), int(match[2])
    words = _list_words(stem)
    stem_words = tuple(word for word in words if not word.isdecimal())
    numbers = numbers or tuple(int(word) for word in words if word.isdecimal())
    folder = tuple(word for name in path.parts[:-1] for word in _list_words(name))
    return _TableName(path, folder, stem_words, numbers, shards)


def _list_words(name: str) -> list[str]:
    """Return the words and numbers of a name, without those for splits and shards."""
    words = (word for word in _find_words(name) if not match_split(word))
    return [word for word in map(str.casefold, words) if word not in _SHARD_WORDS]


def _is_sharded(tables: Sequence[_TableName]) -> bool:
    """Return whether the tables' names differ at most in one number, which counts from 0 or 1."""
    if len({(table.stem, table.shards, len(table.numbers)) for table in tables}) > 1:
        return False
    columns = map(set, zip(*(table.numbers for table in tables), strict=True))
    match [column for column in columns if len(column) > 1]:
        case [numbers] if len(numbers) == len(tables):
            is_counted = min(numbers) < 2 and max(numbers) - min(numbers) == len(tables) - 1
            return is_counted or tables[0].shards > 0
    return len(tables) == 1


def _check_shards(tables: Sequence[_TableName], source: str) -> None:
    """Raise UserError if a shard of a split is missing."""
    if match := _SHARD_PATTERN.search(tables[0].path.name):
        total, present = tables[0].shards, {table.numbers[0] for table in tables}
        first = int(total in present)  # some programs count from 1
        missing = (number for number in range(first, first + total) if number not in present)
        start, end = match.string[: match.start(1)], match.string[match.end(1) : match.end()]
        names = [f"{start}{number:0{len(match[1])}}{end}" for number in islice(missing, 6)]
        if names:
            count = f"{total - len(tables):,} of {total:,} shards are missing"
            problem = f"{source}: {count} ({join_first(names)})"
            raise UserError(f"{problem}; name the folder that holds all, or download them")
