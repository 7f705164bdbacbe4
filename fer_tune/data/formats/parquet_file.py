"""Parquet files of image bytes and labels, as data set hubs have them."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fer_tune.common.errors import UserError
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.identify_file import check_content
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile
from fer_tune.data.formats.table_columns import TableColumns, find_columns
from fer_tune.data.read_options import normalize_label

_BATCH_ROWS = 256
_MAX_ROWS = 10_000_000  # a decompression bomb may claim any number in a few bytes

_IMAGES = re.compile(r"(large_)?binary|struct<(.*, )?bytes: .*")  # types of columns


def read_parquet(file: OpenableFile, collector: FaceCollector) -> None:
    """Read every row of a file into the collector.

    Raises UserError for a broken file and for one without images or labels.
    """
    import pyarrow
    import pyarrow.parquet

    name = file.path.name
    try:
        head = file.read_head()
        if not head.startswith(b"PAR1"):
            check_content(head, name)
        with file.open() as binary:
            table = pyarrow.parquet.ParquetFile(binary)
            if table.metadata.num_rows > _MAX_ROWS:
                problem = f"claims {table.metadata.num_rows:,} faces, more than any data set"
                raise UserError(f"{name} {problem}; it is not read")
            schema = table.schema_arrow
            types = list(map(str, schema.types))
            images = [index for index, kind in enumerate(types) if _IMAGES.fullmatch(kind)]
            columns = find_columns(schema.names, images)
            if columns is None:
                found = f"{', '.join(schema.names[:8])} ({', '.join(types[:8])})"
                problem = f"{name} needs a column of image bytes, or pixels, and a column label"
                raise UserError(f"{problem} with numbers or names of classes; found {found}")
            rows = _read_rows(table, columns)
            columns.read_rows(enumerate(rows, start=1), file.path, collector)
    # ValueError, of READ_ERRORS: text that is not UTF-8.
    except (pyarrow.ArrowException, *READ_ERRORS) as error:
        if getattr(error, "errno", None):  # the system's reason; the file is not broken
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{name} is a broken parquet file ({reason}); download it again") from None


def _read_rows(table: Any, columns: TableColumns) -> Iterator[list[Any]]:
    """Yield the values of each row, with its labels as text; columns not used are None."""
    names = table.schema_arrow.names[: len(columns.names)]
    classes = {names[i]: _read_class_names(table.schema_arrow, names[i]) for i in columns.labels}
    used = {names[i] for i in (*columns.pixels, columns.split) if i is not None}
    for batch in table.iter_batches(_BATCH_ROWS, columns=[*used, *classes]):
        for row in batch.to_pylist():
            row |= {name: _parse_label(row[name], own) for name, own in classes.items()}
            yield [row.get(name) for name in names]


def _parse_label(value: Any, class_names: Mapping[str, str]) -> str:
    label = "" if value is None else normalize_label(str(value))
    return class_names.get(label, label)


def _read_class_names(schema: Any, label: str) -> dict[str, str]:
    """Return the names of the classes by number, as data set hubs store them; empty without."""
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b""))
        names = metadata["info"]["features"][label]["names"]
    except (ValueError, LookupError, TypeError, RecursionError):  # of another program, or damaged
        return {}
    has_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return {str(number): name for number, name in enumerate(names)} if has_names else {}
