"""The names of tables: whether they are the splits and shards of one data set, and complete."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import join_first
from fer_tune.data.faces import SplitName
from fer_tune.data.formats.class_and_split_names import match_file_split, match_split
from fer_tune.data.formats.decoded_faces import CHOOSE

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


def check_tables(paths: Iterable[PurePosixPath], source: str) -> None:
    """Check that tables are the splits and shards of one data set, and that no shard is missing.

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
        raise UserError(f"{source} holds several data sets ({names}); {CHOOSE}")
    for (first, *_), count in ((own, len(own)) for own in by_split.values()):
        if first.shards > count:
            missing = f"{first.shards - count:,} of {first.shards:,} shards like {first.path.name}"
            advice = "name the folder that holds all, or download them"
            raise UserError(f"{source}: {missing} are missing; {advice}")


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
    columns = map(sorted, zip(*(table.numbers for table in tables), strict=True))
    changing = [column for column in columns if column[0] < column[-1]]
    if len(changing) != 1:
        return len(tables) == 1
    (numbers,), count = changing, len(tables)
    is_counted = numbers in ([*range(count)], [*range(1, count + 1)])
    return is_counted or (tables[0].shards > 0 and len(set(numbers)) == count)
