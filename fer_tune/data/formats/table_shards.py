"""The names of tables: whether they are the splits and shards of one data set, and complete."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.data.faces import SplitName
from fer_tune.data.formats.class_and_split_names import match_file_split, match_split

_MAX_LISTED = 5
# The number of a shard and of all shards: train-00000-of-00003.parquet.
_SHARD_PATTERN = re.compile(r"(\d+)[-_ ]?of[-_ ]?(\d+)")
# In "train (1)" and "train_v2", the number tells copies apart, not shards.
_find_words = re.compile(r"\(\d+\)|(?<![^\W\d_])[vV]\d+|[^\W\d_]+|\d+").findall
_SHARD_WORDS = frozenset({"partial", "part", "shard", "split"})


class _TableName(NamedTuple):
    """What the path of a table says.

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
    for path in paths:
        by_split[match_file_split(path)].append(_parse_name(path))
    if rivals := _find_rivals(by_split):
        # The folders or files in which the data sets differ.
        depth = len(PurePosixPath(os.path.commonpath(rivals)).parts) + 1
        names = sorted({"/".join(path.parts[:depth]) for path in rivals})
        raise UserError(f"{source} holds several data sets ({_join(names)}); {choice}")
    for tables in by_split.values():
        total, missing = (
            tables[0].shards,
            list(islice(_list_missing_shards(tables), _MAX_LISTED + 1)),
        )
        if missing:
            shards = f"{total - len(tables):,} of {total:,} shards are missing ({_join(missing)})"
            raise UserError(f"{source}: {shards}; name the folder that holds all, or download them")


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_MAX_LISTED])}{', ...' if names[_MAX_LISTED:] else ''}"


def _parse_name(path: PurePosixPath) -> _TableName:
    stem, numbers, shards = path.stem, tuple[int, ...](), 0
    if match := _SHARD_PATTERN.search(stem):  # behind it, hubs may write a hash of each shard
        stem, numbers, shards = stem[: match.start()], (int(match[1]),), int(match[2])
    words = _list_words(stem)
    stem_words = tuple(word for word in words if not word.isdecimal())
    numbers = numbers or tuple(int(word) for word in words if word.isdecimal())
    folder = tuple(word for name in path.parts[:-1] for word in _list_words(name))
    return _TableName(path, folder, stem_words, numbers, shards)


def _list_words(name: str) -> list[str]:
    """Return the words that tell neither a split nor a shard, and the numbers."""
    words = (word for word in _find_words(name) if not match_split(word))
    return [word for word in map(str.casefold, words) if word not in _SHARD_WORDS]


def _find_rivals(
    by_split: Mapping[SplitName | None, Sequence[_TableName]],
) -> Sequence[PurePosixPath]:
    """Return tables of different data sets, or the same faces twice; none if there are none."""
    tables = [table for own in by_split.values() for table in own]
    folders = {table.folder: table.path for table in reversed(tables)}
    if len(folders) > 1:
        return sorted(folders.values())
    if None in by_split and len(by_split) > 1:
        return sorted(own[0].path for own in by_split.values())
    for own in by_split.values():
        stems = {table.stem: table.path for table in reversed(own)}
        if len(stems) > 1:
            return sorted(stems.values())
        if len(own) > 1 and not _are_shards(own):
            return sorted(table.path for table in own)
    return ()


def _are_shards(tables: Sequence[_TableName]) -> bool:
    """Return whether the tables' names differ in one number, which counts from 0 or 1."""
    if len({(table.shards, len(table.numbers)) for table in tables}) > 1:
        return False
    columns = map(set, zip(*(table.numbers for table in tables), strict=True))
    match [column for column in columns if len(column) > 1]:
        case [numbers] if len(numbers) == len(tables):
            is_counted = min(numbers) < 2 and max(numbers) - min(numbers) == len(tables) - 1
            return is_counted or tables[0].shards > 0
    return False


def _list_missing_shards(tables: Sequence[_TableName]) -> Iterator[str]:
    total, present = tables[0].shards, {table.numbers[0] for table in tables if table.shards}
    if match := _SHARD_PATTERN.search(tables[0].path.name):
        first = int(total in present)  # some programs count from 1
        start, end = match.string[: match.start(1)], match.string[match.end(1) : match.end()]
        for number in range(first, first + total):
            if number not in present:
                yield f"{start}{number:0{len(match[1])}}{end}"
