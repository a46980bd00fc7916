"""Files that are written whole or not at all."""

from __future__ import annotations

__all__ = ["replacing"]

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, a quota, a limit on the size of files


@contextlib.contextmanager
def replacing(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary file beside `target` that takes its place when the block ends without an error.

    Args:
        target: the file to write.
        force: overwrite an existing file.

    Raises:
        ValueError: the target exists and `force` is not set, or its folder does not exist.
        OSError: the folder cannot be written to or the disk is full; the target is as it was.
    """
    if target.is_dir():
        raise ValueError(f"{target} is a folder: name a file in it")
    if target.exists() and not force:
        raise ValueError(f"{target} exists: pass --force to overwrite it, or choose another name")
    if not target.parent.is_dir():
        raise ValueError(f"the folder {target.parent} does not exist: create it first")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem[:32]}.", suffix=target.suffix)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # a name must never point at bytes that a power cut could still lose
        partial.chmod(_mode(target))
        partial.replace(target)
    except OSError as error:
        if error.errno in FULL:
            raise OSError(
                error.errno, f"there is no room for {target}, which was not written: free some space"
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def _mode(target: Path) -> int:
    """Permissions of the file replaced, or what a new file would get."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
