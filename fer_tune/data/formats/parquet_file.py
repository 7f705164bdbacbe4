"""Parquet files of image bytes and labels, as data set hubs have them."""

import json
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.errors import UserError
from fer_tune.data.formats import image_file
from fer_tune.data.formats.class_and_split_names import match_file_split, match_split
from fer_tune.data.formats.decoded_faces import FaceCollector
from fer_tune.data.formats.identify_file import check_content
from fer_tune.data.formats.image_file import DeepFace
from fer_tune.data.formats.label_coding import LABEL_COLUMNS, SPLIT_COLUMNS, merge_labels
from fer_tune.data.formats.open_folder_or_zip import READ_ERRORS, OpenableFile
from fer_tune.data.formats.pixel_text import PIXEL_COLUMNS, parse_pixels
from fer_tune.data.read_options import normalize_label

_ADVICE = "save the images themselves in the file, or in one folder for each expression"
_BATCH_ROWS = 256
_MAX_ROWS = 10_000_000  # a decompression bomb may claim any number in a few bytes


def read_parquet(file: OpenableFile, collector: FaceCollector) -> None:
    """Read every row into the collector.

    The split is that of a split column, of the file's name or of its folder.

    Raises UserError for a broken file and for one without images or labels.
    """
    import pyarrow
    import pyarrow.parquet

    name = file.path.name
    try:
        head = file.read_head()
        if not head.startswith(b"PAR1"):
            check_content(head, name)
        with file.open() as binary, image_file.suppress_pillow_warnings():
            table = pyarrow.parquet.ParquetFile(binary)
            if table.metadata.num_rows > _MAX_ROWS:
                rows = f"{table.metadata.num_rows:,} faces"
                raise UserError(f"{name} claims {rows}, more than any data set; it is not read")
            columns = _FaceColumns(table.schema_arrow, file, collector)
            row = 0
            for batch in table.iter_batches(_BATCH_ROWS, columns=columns.names):
                for values in batch.to_pylist():
                    row += 1
                    columns.read_row(values, f"{file.path}, row {row}")
    # ValueError, of READ_ERRORS: text that is not UTF-8.
    except (pyarrow.ArrowException, *READ_ERRORS) as error:
        if getattr(error, "errno", None):  # the system's reason; the file is not broken
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{name} is a broken parquet file ({reason}); download it again") from None


class _FaceColumns:
    """The columns of one file that hold images, labels and maybe splits.

    names: their names.
    """

    def __init__(self, schema: Any, file: OpenableFile, collector: FaceCollector) -> None:
        self._collector = collector
        self._file_split = match_file_split(file.path)
        image = _find_column(schema, _is_image_column)
        labels = [field.name for field in schema if _is_class_column(field, LABEL_COLUMNS)]
        if image is None or not labels:
            found = f"{', '.join(schema.names[:8])} ({', '.join(map(str, schema.types[:8]))})"
            raise UserError(
                f"{file.path.name} needs a column of image bytes, or pixels, and a column label "
                f"with numbers or names of classes; found {found}"
            )
        self._image = image
        self._classes = {label: _read_class_names(schema, label) for label in labels}
        self._split = _find_column(schema, lambda field: _is_class_column(field, SPLIT_COLUMNS))
        self.names = [name for name in (image, *labels, self._split) if name]
        collector.note_unread_columns(name for name in schema.names if name not in self.names)
        collector.label_column, collector.advice = f"column {' or '.join(labels)}", _ADVICE

    def read_row(self, values: dict[str, Any], location: str) -> None:
        """Add the face of a row, or the bad row, to the collector."""
        split = self._file_split
        if self._split:
            name = str(values[self._split])
            split = match_split(name)
            if split is None:
                self._collector.add_unknown_split(f"{location}: column {self._split}", name)
                return
        try:
            pixels, conversions = self._decode_image(values[self._image])
        except ValueError as error:
            self._collector.add_bad_face(location, str(error))
        else:
            labels = [(name, self._parse_label(values[name], name)) for name in self._classes]
            label = merge_labels(labels, self._collector.label_pairs, location)
            self._collector.add_face(split, label, pixels, conversions, location)

    def _decode_image(self, value: Any) -> tuple[NDArray[np.uint8] | DeepFace, tuple[str, ...]]:
        data = value.get("bytes") if isinstance(value, dict) else value
        try:
            if data is None:
                raise ValueError("no image bytes")
            if isinstance(data, str | list):
                return parse_pixels(str(data)), ()
            return image_file.decode_face(data)
        except ValueError as error:
            raise ValueError(f"column {self._image}: {error}") from None

    def _parse_label(self, value: Any, column: str) -> str:
        label = "" if value is None else normalize_label(str(value))
        names = dict(enumerate(self._classes[column]))
        return names.get(int(label), label) if label.isdecimal() else label


def _read_class_names(schema: Any, label: str) -> tuple[str, ...]:
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b""))
        names = metadata["info"]["features"][label]["names"]
    except (ValueError, LookupError, TypeError, RecursionError):  # of another program, or damaged
        return ()
    has_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if has_names else ()


def _find_column(schema: Any, fits: Callable[[Any], bool]) -> str | None:
    return next((field.name for field in schema if fits(field)), None)


def _is_class_column(field: Any, column_names: Collection[str]) -> bool:
    """Return whether a column has one of these names, and holds numbers or text."""
    import pyarrow

    kind = field.type.value_type if pyarrow.types.is_dictionary(field.type) else field.type
    types = pyarrow.types
    fits = types.is_integer, types.is_floating, types.is_decimal, types.is_string
    is_word = any(fit(kind) for fit in (*fits, types.is_large_string, types.is_string_view))
    return is_word and field.name.strip().casefold() in column_names


def _is_image_column(field: Any) -> bool:
    """Return whether a column holds image bytes, or pixels as text or numbers."""
    from pyarrow import types

    kind = field.type
    if types.is_struct(kind):
        return any(own.name == "bytes" for own in kind)
    if field.name.strip().casefold() in PIXEL_COLUMNS:
        fits = types.is_string, types.is_large_string, types.is_list, types.is_large_list
        return any(fit(kind) for fit in fits)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))
