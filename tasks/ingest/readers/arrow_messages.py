"""How much the messages of an Arrow stream unpack to, before any is unpacked.

A packed buffer begins with its size unpacked (Arrow columnar format, "Compression"); where the buffers of a message lie
stands in its metadata, a FlatBuffers table (Message.fbs and https://flatbuffers.dev/internals).
"""

from __future__ import annotations

import struct
from pathlib import Path

import pyarrow as pa

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # MessageHeader
_HEADER_TYPE, _HEADER = 1, 2  # fields of Message
_DATA = 1  # of DictionaryBatch
_BUFFERS, _COMPRESSION = 2, 3  # of RecordBatch


def unpacked_bytes(path: Path) -> int:
    """Of all messages of the stream.

    Raises:
        pa.ArrowInvalid: it is cut short or damaged.
    """
    messages, total = pa.ipc.MessageReader.open_stream(pa.memory_map(str(path))), 0
    try:
        for message in messages:
            total += _unpacked(memoryview(message.metadata), message.body)
    except struct.error as error:
        raise pa.ArrowInvalid(f"the metadata of a message are damaged: {error}") from None
    return total


def _unpacked(metadata: memoryview, body: pa.Buffer | None) -> int:
    if body is None:
        return 0
    message = _offset(metadata, 0)
    kind, header = _field(metadata, message, _HEADER_TYPE), _field(metadata, message, _HEADER)
    if kind is None or header is None or metadata[kind] not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return int(body.size)
    batch = _offset(metadata, header)
    if metadata[kind] == _DICTIONARY_BATCH:
        data = _field(metadata, batch, _DATA)
        batch = batch if data is None else _offset(metadata, data)
    found = _field(metadata, batch, _BUFFERS)
    if found is None or _field(metadata, batch, _COMPRESSION) is None:
        return int(body.size)
    buffers, content, total = _offset(metadata, found), memoryview(body), 0
    (count,) = struct.unpack_from("<I", metadata, buffers)
    for place, size in struct.iter_unpack("<qq", metadata[buffers + 4 : buffers + 4 + 16 * count]):
        if size:
            (unpacked,) = struct.unpack_from("<q", content, place)
            total += size if unpacked < 0 else unpacked  # -1: not packed
    return total


def _offset(metadata: memoryview, place: int) -> int:
    """Where the offset at a place leads."""
    return int(place + struct.unpack_from("<I", metadata, place)[0])


def _field(metadata: memoryview, table: int, number: int) -> int | None:
    """Where a field of a table lies; None if it is not set."""
    names = table - struct.unpack_from("<i", metadata, table)[0]
    (size,) = struct.unpack_from("<H", metadata, names)
    if 4 + 2 * number >= size:
        return None
    (place,) = struct.unpack_from("<H", metadata, names + 4 + 2 * number)
    return table + place if place else None
