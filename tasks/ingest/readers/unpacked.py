"""The bytes of a file, unpacked where its name ends in .gz or .zst, and never more of them than text packs into."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from tasks.ingest.resolve import PACKED
from tasks.runtime.errors import RefusedInput, StageFailed

MOST_RATIO = 250
"""Bytes unpacked for one packed, at most. Prose packs to a third or a tenth, logs of one repeated line to a hundredth;
a bomb comes near the limit of DEFLATE, 1032 : 1 (zlib's technical details), and Zstandard has no such limit."""
FREE_BYTES = 64 << 20
"""So many bytes may come out of any file: a small file of one repeated line is no danger."""
_BUFFER = 1 << 16


class Damaged(Exception):
    """A packed stream that cannot be unpacked any further."""


@contextmanager
def opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is packed; memory is bounded whatever comes out.

    Raises:
        StageFailed: the packed stream is cut short or damaged.
        RefusedInput: more comes out than `MOST_RATIO` and `FREE_BYTES` allow.
    """
    if not name.endswith(PACKED):
        with path.open("rb") as plain:
            yield plain
        return
    tool = "gzip" if name.endswith(".gz") else "zstd"
    try:
        with path.open("rb") as packed, io.BufferedReader(_Unpacked(packed, name, path.stat().st_size), _BUFFER) as out:
            yield out
    except Damaged as error:
        raise StageFailed(
            f"{name}: the {tool} stream is cut short or damaged ({error}). Fetch the file again "
            f"({tool} -t tells whether it is whole), or leave it out with exclude; then run again."
        ) from None


def refuse_bomb(name: str, packed: int, unpacked: int) -> None:
    """Both in bytes.

    Raises:
        RefusedInput: more comes out than `MOST_RATIO` and `FREE_BYTES` allow.
    """
    if unpacked > max(FREE_BYTES, MOST_RATIO * packed):
        raise RefusedInput(
            f"{name}: {packed} packed bytes give {unpacked >> 20} MiB or more, over {MOST_RATIO} times their size; "
            "text does not pack so well, so this looks like a decompression bomb. Leave the file out with exclude, "
            "or write it unpacked and name that file."
        )


class _Unpacked(io.RawIOBase):
    """Reads a packed stream and counts what comes out."""

    def __init__(self, packed: IO[bytes], name: str, size: int) -> None:
        self._name, self._packed_bytes, self._out_bytes = name, size, 0
        self._stream: Any = (
            gzip.GzipFile(fileobj=packed) if name.endswith(".gz") else pa.CompressedInputStream(packed, "zstd")
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count: int = self._stream.readinto(buffer)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Damaged(error) from None
        except OSError as error:
            if error.errno is not None:  # the disk's fault, not the stream's
                raise
            raise Damaged(error) from None
        self._out_bytes += count
        refuse_bomb(self._name, self._packed_bytes, self._out_bytes)
        return count
