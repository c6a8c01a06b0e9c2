"""Tables of events in files of other programs: JSON, CSV, NPZ, Parquet. Nothing is lost either way.

Each has the columns of `columns`, and beside them one JSON object, the *head*: format, version, header, and blocks
where the .sic file was not cut as `write` cuts it. docs/exchange.md is the specification of version 1.
"""

from __future__ import annotations

import csv
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from sparsecodec_formats.container.form import BlockForm, Form
from sparsecodec_formats.container.reader import MAX_EVENTS
from sparsecodec_formats.errors import NoHeader, SicError, shown_value
from sparsecodec_formats.header import Header, whole_number
from sparsecodec_formats.table import EventTable
from sparsecodec_formats.varint import MAX_INT

from .columns import VECTOR, Columns, flat_columns, table_columns, table_of
from .header_reading import header_of
from .rows import event_rows, header_fields

NAME, VERSION = "sic-events", 1
HEAD = "sic_events"
"""Under which the head stands: in an NPZ file a text, in a Parquet file metadata."""
CSV_HEAD = "# " + NAME
CSV_CELL_LIMIT = 2**24
"""Characters: more than the head takes of a file with as many gains and tags as there can be."""


NO_ARCHIVE = (
    ValueError, OSError, EOFError, LookupError, TypeError, AttributeError, SyntaxError, OverflowError, RuntimeError,
    struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy and zipfile raise for an archive that is damaged, encrypted, or none."""


@dataclass(frozen=True)
class TableFile:
    """What a file of a table says. head: as it was read, {} for none."""

    head: Mapping[str, Any]
    columns: Columns

    def table(self, *, like: Header | None = None, by_name: bool = False) -> tuple[EventTable, Form | None]:
        """The events, and how the .sic file was cut that they come from.

        like: what the head does not tell; by_name: as for `table_of`. SicError for what cannot be.
        """
        name, version = self.head.get("format", NAME), self.head.get("version", VERSION)
        if name != NAME:
            raise SicError(f"its format is {shown_value(name)}, not {NAME!r}")
        if version != VERSION:
            raise SicError(f"is of version {shown_value(version)} of {NAME}; this version of sic reads {VERSION}")
        if "header" not in self.head and like is None:
            raise NoHeader("there is no header, which tells the sample rate and more; name a .sic file that is like it")
        if self.columns.n_rows > MAX_EVENTS:
            raise SicError(f"it holds {self.columns.n_rows} events; one table takes {MAX_EVENTS}")
        header = header_of(self.head.get("header", {}), like)
        return table_of(header, self.columns, by_name=by_name), _form_of(self.head)


def head_of(table: EventTable, form: Form | None = None) -> dict[str, Any]:
    """The head of a table, and of the .sic file that it comes from."""
    head: dict[str, Any] = {"format": NAME, "version": VERSION, "header": header_fields(table.header)}
    if form is not None:
        head |= {"length_at_end": form.length_at_end, "blocks": [list(block) for block in form.blocks]}
    return head


def document_of(table: EventTable, form: Form | None = None) -> dict[str, Any]:
    """Head and events as one JSON object."""
    return head_of(table, form) | {"events": event_rows(table)}


def write_json(table: EventTable, file: BinaryIO, form: Form | None = None) -> None:
    """Write one JSON object, each event on a line of its own."""
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head_of(table, form).items()]
    events = ",\n".join(json.dumps(row) for row in event_rows(table))
    file.write(("{\n" + ",\n".join(lines) + f',\n"events": [\n{events}\n]\n}}\n').encode())


def read_json(file: BinaryIO) -> TableFile:
    """Such an object, or its list of events alone; SicError for what is neither."""
    try:
        found = json.loads(file.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SicError(f"is no JSON: {_reason(error)}") from None
    if isinstance(found, list):
        found = {"events": found}
    if not (isinstance(found, dict) and isinstance(found.get("events"), list)):
        raise SicError("is JSON, but no object with a list 'events'")
    return TableFile(found, Columns.of_rows(found["events"]))


def write_csv(table: EventTable, file: BinaryIO, form: Form | None = None) -> None:
    """Write comma-separated values, UTF-8: the head as a comment, the names of the columns, a row for each event."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([CSV_HEAD, json.dumps(head_of(table, form))])
    columns = flat_columns(table)
    rows.writerow(columns)
    # as numbers of Python, whose text is the number to the last bit
    rows.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    file.write(text.getvalue().encode())


def read_csv(file: BinaryIO) -> TableFile:
    """SicError for what is no such text. Rows are counted as a spreadsheet does, from 1."""
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SicError("is no CSV: it is not text in UTF-8") from None
    try:
        rows = [(i, row) for i, row in enumerate(_csv_rows(text), 1) if any(row)]
    except csv.Error as error:
        raise SicError(f"is no CSV: {error}") from None
    head: Mapping[str, Any] = {}
    if rows and rows[0][1][0] == CSV_HEAD:
        head = _parsed_head("".join(rows.pop(0)[1][1:]))  # empty cells behind it are of a spreadsheet
    if not rows:
        raise SicError("there is no row with the names of the columns")
    names, numbers = rows[0][1], [number for number, _ in rows[1:]]
    if len(names) == 1 and ";" in names[0]:
        raise SicError("its columns are parted by semicolons; save it with commas, and points in numbers")
    for name in names:
        if name and names.count(name) > 1:
            raise SicError(f"there are two columns {shown_value(name)}")
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise SicError(f"row {number}: has {len(row)} values; there are {len(names)} columns")
    values = {name: [row[column] for _, row in rows[1:]] for column, name in enumerate(names) if name}
    return TableFile(head, Columns(values, len(numbers), lambda i: f"row {numbers[i]}"))


def write_npz(table: EventTable, file: BinaryIO, form: Form | None = None) -> None:
    """Write an archive of numpy arrays: the columns, the vector as one of [n, 32], and the head as a text."""
    arrays: dict[str, Any] = table_columns(table)
    np.savez_compressed(file, allow_pickle=False, **arrays, **{HEAD: np.array(json.dumps(head_of(table, form)))})


def read_npz(file: BinaryIO) -> TableFile:
    """SicError for what is no such archive, or has arrays of objects, which are never read."""
    if not zipfile.is_zipfile(file):
        raise SicError("is no NPZ file, or is cut short")
    file.seek(0)
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except NO_ARCHIVE as error:
        raise SicError(f"is no NPZ file of numbers: {_reason(error)}") from None
    head = _parsed_head(str(arrays.pop(HEAD))) if HEAD in arrays else {}
    n_rows = {name: len(column) if column.ndim else -1 for name, column in arrays.items()}
    n = n_rows.get("time_s", 0)
    for name, n_here in n_rows.items():
        if n_here != n:
            raise SicError(f"array {name} has {max(n_here, 0)} rows, time_s has {n}")
    return TableFile(head, Columns(arrays, n))


def write_parquet(table: EventTable, file: BinaryIO, form: Form | None = None) -> None:
    """Write a Parquet file: the columns, the vector as a list of 32 singles, the head as metadata. Needs pyarrow."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {name: pa.array(column) for name, column in table_columns(table).items() if name != VECTOR}
    flat = pa.array(table.vector.reshape(-1))
    vector = pa.FixedSizeListArray.from_arrays(flat, table.vector.shape[1])
    out = pa.table({**columns, VECTOR: vector})
    parquet.write_table(out.replace_schema_metadata({HEAD: json.dumps(head_of(table, form))}), file)


def read_parquet(file: BinaryIO) -> TableFile:
    """SicError for what is no Parquet file. Needs pyarrow."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        found = parquet.read_table(io.BytesIO(file.read()), memory_map=False)
        head = (found.schema.metadata or {}).get(HEAD.encode())
        columns = {name: _of_arrow(found.column(i)) for i, name in enumerate(found.column_names)}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SicError(f"is no Parquet file: {_reason(error)}") from None
    return TableFile(
        {} if head is None else _parsed_head(head.decode("utf-8", "replace")), Columns(columns, len(found))
    )


WRITERS: Mapping[str, Callable[[EventTable, BinaryIO, Form | None], None]] = {
    "json": write_json,
    "csv": write_csv,
    "npz": write_npz,
    "parquet": write_parquet,
}
READERS: Mapping[str, Callable[[BinaryIO], TableFile]] = {
    "json": read_json,
    "csv": read_csv,
    "npz": read_npz,
    "parquet": read_parquet,
}


def _csv_rows(text: str) -> list[list[str]]:
    """csv.Error for what is no CSV, such as a cell of more than the largest head takes."""
    usual = csv.field_size_limit(CSV_CELL_LIMIT)
    try:
        return list(csv.reader(io.StringIO(text, newline="")))
    finally:
        csv.field_size_limit(usual)


def _parsed_head(text: str) -> Mapping[str, Any]:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SicError(f"its head is no JSON: {_reason(error)}") from None
    if not isinstance(head, Mapping):
        raise SicError(f"its head is {shown_value(head)}; it must have fields, such as header")
    return head


def _form_of(head: Mapping[str, Any]) -> Form | None:
    if "blocks" not in head:
        return None
    try:
        blocks = tuple(
            BlockForm(*(whole_number("a number of a block", number, 0, MAX_INT) for number in block))
            for block in head["blocks"]
        )
    except TypeError:
        raise SicError("its blocks are not lists of three numbers: stream, events, codec") from None
    return Form(head.get("length_at_end") is True, blocks)


def _of_arrow(column: Any) -> Any:
    """A column as an array where it has numbers alone, else as a list."""
    import pyarrow as pa

    kind = column.type
    if not column.null_count and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return column.to_numpy()
    if not column.null_count and pa.types.is_fixed_size_list(kind):
        flat = column.combine_chunks().flatten()
        if not flat.null_count and pa.types.is_floating(flat.type):
            return flat.to_numpy().reshape(-1, kind.list_size)
    return column.to_pylist()


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
