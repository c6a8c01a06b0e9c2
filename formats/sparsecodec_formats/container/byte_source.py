"""Bytes from a file or a pipe, with a look ahead and a running CRC."""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

from sparsecodec_formats.errors import FormatError

_CHUNK_BYTES = 2**16


class Truncated(FormatError):
    """The file ends too early."""


class ByteSource:
    """Reads a binary file object forward, and goes back only where it can seek.

    Attributes:
        position: bytes taken or skipped so far.
        crc: CRC-32 of them, or None once some were skipped unread.
    """

    def __init__(self, fileobj: BinaryIO) -> None:
        self._file = fileobj
        self._ahead = b""
        self.position = 0
        self.crc: int | None = 0
        self.seekable = fileobj.seekable()

    def peek(self, n: int) -> bytes:
        """The next n bytes, fewer only where the file ends; they stay to be taken."""
        while len(self._ahead) < n:
            data = self._file.read(n - len(self._ahead))  # a pipe may give fewer than asked for
            if not data:
                break
            self._ahead += data
        return self._ahead[:n]

    def take(self, n: int) -> bytes:
        """The next n bytes; Truncated when there are fewer."""
        data = self.peek(n)
        if len(data) < n:
            raise Truncated(f"the file is cut short at byte {self.position + len(data)}")
        self._ahead = self._ahead[n:]
        self.position += n
        if self.crc is not None:
            self.crc = zlib.crc32(data, self.crc)
        return data

    def skip(self, n: int) -> None:
        """Pass over n bytes, unread where the file can seek."""
        if self.seekable and n > len(self._ahead):
            self._file.seek(n - len(self._ahead), 1)
            self._ahead = b""
            self.position += n
            self.crc = None
            return
        while n > 0:
            n -= len(self.take(min(n, _CHUNK_BYTES)))

    def last(self, n: int) -> bytes:
        """The last n bytes of all, fewer if there are not so many; b"" where the file cannot seek."""
        if not self.seekable:
            return b""
        here = self._file.tell()
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - n))
        data = self._file.read(n)
        self._file.seek(here)
        return data

    def rewind(self, position: int, crc: int) -> None:
        """Go back to a position of before, where `crc` was the CRC; only where the file can seek."""
        self._file.seek(position - self.position - len(self._ahead), 1)
        self._ahead = b""
        self.position = position
        self.crc = crc
