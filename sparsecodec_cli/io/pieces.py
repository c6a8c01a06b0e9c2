"""A file that is put together from stretches of another one, so that a decoder meets only what it understands."""

from __future__ import annotations

import errno
import io
import os
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, BinaryIO

from .files import file_state

CHANGED = "was changed while it was read; wait until it is complete, or name a copy of it"
Stretch = tuple[int, int]
"""First byte, and the one after the last."""
Piece = Stretch | bytes | int
"""Part of a file, bytes, or a number of zeros."""


def size_of(file: BinaryIO) -> int:
    """Bytes of a seekable file."""
    return file.seek(0, os.SEEK_END)


def read_at(file: BinaryIO, start: int, n: int) -> bytes:
    """Up to n bytes from `start` on; fewer only at the end of the file."""
    file.seek(start)
    return file.read(n)


class Pieces(io.RawIOBase):
    """Stretches of a seekable file, bytes of our own, and so many zeros, one after the other; to be read and sought in.

    What others read of the same file in between does not matter. OSError when one on disk has been changed since.
    """

    def __init__(self, file: BinaryIO, pieces: Iterable[Piece]) -> None:
        super().__init__()
        self._file = file
        self._pieces: list[Piece] = []
        for piece in pieces:
            last = self._pieces[-1] if self._pieces else None
            if isinstance(piece, tuple) and isinstance(last, tuple) and last[1] == piece[0]:
                self._pieces[-1] = (last[0], piece[1])
            elif _length(piece):
                self._pieces.append(piece)
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + _length(piece))
        self._at = 0
        self._state = file_state(file)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer; less only at the end."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._at < self._starts[-1]:
            i = bisect_right(self._starts, self._at) - 1
            piece, offset = self._pieces[i], self._at - self._starts[i]
            n = min(len(view) - filled, self._starts[i + 1] - self._at)
            if isinstance(piece, tuple):
                part = read_at(self._file, piece[0] + offset, n)
                if file_state(self._file) != self._state:
                    raise OSError(errno.ESTALE, CHANGED)
            elif isinstance(piece, int):
                part = bytes(n)
            else:
                part = piece[offset : offset + n]
            if not part:
                break
            view[filled : filled + len(part)] = part
            filled += len(part)
            self._at += len(part)
        return filled


def _length(piece: Piece) -> int:
    if isinstance(piece, tuple):
        return piece[1] - piece[0]
    return piece if isinstance(piece, int) else len(piece)
