"""Parquet as dataset hubs keep it: image bytes and a label."""

import json
from collections.abc import Callable, Collection
from reprlib import repr as shown
from typing import Any

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS, SplitName
from fer_tune.data.formats import class_and_split_names as class_and_split_names
from fer_tune.data.formats import image_file as image_file
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.source_files import READ_ERRORS, SourceFile

_LABEL_COLUMNS = ("label", "labels", "emotion", "expression", "class", "target")
_SPLIT_COLUMNS = ("split", "usage", "subset")
_BATCH_ROWS = 256
_MAX_ROWS = 10_000_000  # a few bytes of a bomb may claim any number


def read_parquet(entry: SourceFile, collector: FaceCollector) -> None:
    """Read every row. The split is that of a split column, of the file's name or of its folder.

    Raises UserError for a broken file and for one without images or labels.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with entry.open() as file, image_file.suppress_pillow_warnings():
            table = pyarrow.parquet.ParquetFile(file)
            if table.metadata.num_rows > _MAX_ROWS:
                raise UserError(
                    f"{entry.path.name} claims {table.metadata.num_rows:,} faces, more than there "
                    "are in any data set; not read"
                )
            columns = _FaceColumns(table.schema_arrow, entry, collector)
            row = 0
            for batch in table.iter_batches(_BATCH_ROWS, columns=columns.wanted):
                for values in batch.to_pylist():
                    row += 1
                    columns.read_row(values, f"{entry.path.name}, row {row}")
    # ValueError, of UNREADABLE: text that is no UTF-8.
    except (pyarrow.ArrowException, *READ_ERRORS) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{entry.path.name} is no whole parquet file ({reason})") from None


class _FaceColumns:
    """Which columns of one file hold what."""

    def __init__(self, schema: Any, entry: SourceFile, collector: FaceCollector) -> None:
        self._into = collector
        self._file_split = _match_file_split(entry)
        image = _find_column(schema, lambda field: _is_image_type(field.type))
        label = _find_column(schema, lambda field: _is_class_column(field, _LABEL_COLUMNS))
        if image is None or label is None:
            raise UserError(
                f"{entry.path.name} needs a column of image bytes and one named label "
                "with numbers or names of classes; "
                f"found {', '.join(schema.names[:8])}"
            )
        self._image, self._label = image, label
        self._split = _find_column(schema, lambda field: _is_class_column(field, _SPLIT_COLUMNS))
        self._names = _read_class_names(schema, self._label, collector)
        self.wanted = [name for name in (self._image, self._label, self._split) if name]

    def read_row(self, values: dict[str, Any], location: str) -> None:
        into = self._into
        label = self._parse_label(values[self._label])
        split = (
            class_and_split_names.match_split(str(values[self._split]))
            if self._split
            else self._file_split
        )
        image = values[self._image]
        data = image.get("bytes") if isinstance(image, dict) else image
        if label is None:
            into.add_bad_face(
                location, f"column {self._label}: {shown(values[self._label])} is no class"
            )
        elif self._split and split is None:
            into.add_bad_face(
                location, f"column {self._split}: {shown(values[self._split])} is no split"
            )
        elif data is None:
            into.add_bad_face(location, f"column {self._image}: no image bytes")
        else:
            self._add_face(split, label, data, location)

    def _add_face(self, split: SplitName | None, label: str, data: bytes, location: str) -> None:
        try:
            pixels, conversions = image_file.decode_face(data)
        except image_file.BrokenImageError as error:
            self._into.add_bad_face(location, f"column {self._image}: {error}")
        else:
            self._into.add_face(split, label, pixels)
            self._into.conversions.update(conversions)

    def _parse_label(self, value: Any) -> str | None:
        if isinstance(value, str):
            return value.strip() or None
        if isinstance(value, int) and 0 <= value < len(self._names):
            return self._names[value]
        return None


def _read_class_names(schema: Any, label: str, collector: FaceCollector) -> tuple[str, ...]:
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b""))
        told = metadata["info"]["features"][label]["names"]
    except (ValueError, LookupError, TypeError, RecursionError):  # another program's, or damaged
        told = None
    if isinstance(told, list) and told and all(isinstance(name, str) for name in told):
        return tuple(told)
    import pyarrow

    if pyarrow.types.is_integer(schema.field(label).type):
        collector.notes[
            "labels without names were read in FER2013's order, 0 angry to 6 neutral"
        ] = None
    return EMOTIONS


def _find_column(schema: Any, fits: Callable[[Any], bool]) -> str | None:
    return next((field.name for field in schema if fits(field)), None)


def _is_class_column(field: Any, column_names: Collection[str]) -> bool:
    """Whether the field is one of these columns, and holds numbers or text."""
    import pyarrow

    kind = field.type.value_type if pyarrow.types.is_dictionary(field.type) else field.type
    fits = pyarrow.types.is_integer, pyarrow.types.is_string, pyarrow.types.is_large_string
    return field.name.casefold() in column_names and any(fit(kind) for fit in fits)


def _is_image_type(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))


def _match_file_split(entry: SourceFile) -> SplitName | None:
    # train-00000-of-00004.parquet, or train/0000.parquet.
    own = class_and_split_names.match_split_in_table_name(entry.path.name)
    above = map(class_and_split_names.match_split, reversed(entry.path.parts[:-1]))
    return own or next(filter(None, above), None)
