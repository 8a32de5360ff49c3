"""A file that HDF5 can always close, also when the disk is full."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

__all__ = ["Storage"]


class Storage(io.RawIOBase):
    """A file on disk that remembers its first failure instead of raising it.

    On a full disk the HDF5 library can neither write nor close, and takes the process down when
    it tries again at exit. From the first failure on, what is written stays in memory: HDF5 can
    close, :meth:`check` raises, and the file is thrown away.

    Arguments:
        path: The file.
        mode: ``"w+b"`` for a new one, ``"r+b"`` to go on with one.
    """

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__()
        self._file: Any = path.open(mode, buffering=0)
        self._kept: list[tuple[int, bytes]] = []
        self._failure: OSError | None = None
        self._position = 0
        self._end = self._file.seek(0, io.SEEK_END)

    def check(self) -> None:
        """Raise what went wrong so far.

        Raises:
            OSError: The disk is full or broken.
        """
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any) -> int:
        """Write at the current position; in memory after a failure."""
        content = memoryview(data).cast("B")
        written = 0
        try:
            self._file.seek(self._position)
            while self._failure is None and written < len(content):
                written += self._file.write(content[written:])
        except OSError as error:
            self._failure = error
        if self._failure is not None:
            self._kept.append((self._position + written, bytes(content[written:])))
        self._position += len(content)
        self._end = max(self._end, self._position)
        return len(content)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, wherever it is."""
        target = memoryview(buffer).cast("B")
        begin, size = self._position, max(0, min(len(target), self._end - self._position))
        self._file.seek(begin)
        got = self._file.readinto(target[:size])
        target[got:size] = bytes(size - got)
        for position, content in self._kept:
            first, last = max(begin, position), min(begin + size, position + len(content))
            if first < last:
                target[first - begin : last - begin] = content[first - position : last - position]
        self._position += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}
        self._position = start[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the length of the file."""
        self._end = self._position if size is None else size
        try:
            self._file.truncate(self._end)
        except OSError as error:
            self._failure = self._failure or error
        return self._end

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file on disk."""
        if not self.closed:
            try:
                self._file.close()
            except OSError as error:
                self._failure = self._failure or error
            super().close()
