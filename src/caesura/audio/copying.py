"""Copy a file byte for byte: inside the kernel where it can, and holes stay holes."""

from __future__ import annotations

__all__ = ["copy"]

import errno
import os
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 20  # bytes
DECLINED = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)  # this pair of files cannot do it


def copy(source: Path, target: Path) -> None:
    """Make the existing file `target` equal to `source`.

    Raises:
        OSError: either cannot be read or written, or the disk is full.
    """
    with source.open("rb") as old, target.open("r+b") as new:
        size = os.fstat(old.fileno()).st_size
        for start, stop in _extents(old.fileno(), size):
            _copy_span(old.fileno(), new.fileno(), start, stop)
        new.truncate(size)


def _extents(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Spans of bytes that are not holes."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    stop = 0
    while stop < size:
        try:
            start = os.lseek(file, stop, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            yield stop, size
            return
        stop = os.lseek(file, start, os.SEEK_HOLE)
        yield start, stop


def _copy_span(old: int, new: int, start: int, stop: int) -> None:
    while start < stop:
        copied = _in_kernel(old, new, start, stop - start)
        if not copied:
            os.lseek(old, start, os.SEEK_SET)
            os.lseek(new, start, os.SEEK_SET)
            piece = os.read(old, min(PIECE, stop - start))
            if not piece:
                return
            copied = os.write(new, piece)
        start += copied


def _in_kernel(old: int, new: int, start: int, length: int) -> int:
    """Bytes copied without passing through this process; 0 where the system declines."""
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(old, new, length, start, start)
    except OSError as error:
        if error.errno in DECLINED:
            return 0
        raise
