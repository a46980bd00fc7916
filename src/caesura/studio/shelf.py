"""The sounds of a session: their files, open readers, pictures and history."""

from __future__ import annotations

__all__ = ["Entry", "Missing", "Shelf", "clean_name"]

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caesura.audio import Info, Reader, open_audio
from caesura.overview import Summary, summarise
from caesura.project import Named, Step, named

MOST_OPEN = 8  # readers of a session that stay open
MOST_PICTURES = 64 << 20  # bytes of pictures that a session keeps
LONGEST_NAME = 200


class Missing(LookupError):
    """There is nothing of that id in this session."""


@dataclass(eq=False)
class Entry:
    """A sound."""

    id: str
    name: str
    origin: str
    path: Path
    info: Info
    bytes: int
    owned: bool
    """Whether the file belongs to the session and goes when it goes."""
    parent: str | None = None
    step: Step | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    pitch: int | None = None
    created: float = field(default_factory=time.time)
    summary: Summary | None = None
    _hash: str = ""

    def named(self) -> Named:
        """The file as projects name it; hashed once."""
        if not self._hash:
            self._hash = named(self.path).sha256
        return Named(self.name, self._hash)


class Shelf:
    """Sounds by id, safe for many threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, Entry] = {}
        self._readers: OrderedDict[str, tuple[Reader, threading.Lock]] = OrderedDict()
        self._pictures: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._closed = False

    def place(self, suffix: str = "") -> Path:
        """A new place for a file of this session."""
        return self.folder / f"{secrets.token_hex(8)}{suffix}"

    def add(self, path: Path, name: str, origin: str, *, owned: bool = True, **more: Any) -> Entry:
        """Take a sound in.

        Raises:
            ValueError: the file is no sound.
        """
        with open_audio(path) as reader:
            info = reader.info
        entry = Entry(
            secrets.token_urlsafe(12), clean_name(name), origin, path, info, path.stat().st_size, owned, **more
        )
        with self._lock:
            if self._closed:
                path.unlink(missing_ok=owned)
                raise Missing("the session has ended")
            self._entries[entry.id] = entry
        threading.Thread(target=self._summarise, args=(entry,), daemon=True).start()
        return entry

    def get(self, key: str) -> Entry:
        """A sound.

        Raises:
            Missing: there is none of that id.
        """
        with self._lock:
            found = self._entries.get(key)
        if found is None:
            raise Missing(f"there is no sound '{key}' in this session: GET /api/sounds lists what there is")
        return found

    def all(self) -> list[Entry]:
        """Every sound, the oldest first."""
        with self._lock:
            return list(self._entries.values())

    @property
    def used(self) -> int:
        """What the files of this session take on disk."""
        return sum(entry.bytes for entry in self.all() if entry.owned)

    def line(self, entry: Entry) -> list[Entry]:
        """The sound's forebears from the first on, and the sound itself."""
        found = [entry]
        while found[0].parent is not None:
            found.insert(0, self.get(found[0].parent))
        return found

    def remove(self, key: str) -> None:
        """Forget a sound and its file.

        Raises:
            Missing: there is none of that id.
            ValueError: others were made from it.
        """
        entry = self.get(key)
        with self._lock:
            heirs = sum(other.parent == key for other in self._entries.values())
            if heirs:
                raise ValueError(f"'{entry.name}' has {heirs} results that were made from it: remove those first")
            del self._entries[key]
            held = self._readers.pop(key, None)
        if held is not None:
            with held[1]:
                held[0].close()
        if entry.owned:
            entry.path.unlink(missing_ok=True)

    @contextmanager
    def reading(self, entry: Entry) -> Iterator[Reader]:
        """The sound's reader, for one thread at a time; it stays open, as opening may mean decoding."""
        with self._lock:
            held = self._readers.get(entry.id)
            if held is None:
                held = (open_audio(entry.path), threading.Lock())
                self._readers[entry.id] = held
            self._readers.move_to_end(entry.id)
            old = [self._readers.popitem(last=False)[1] for _ in range(len(self._readers) - MOST_OPEN)]
        for reader, lock in old:
            with lock:
                reader.close()
        with held[1]:
            yield held[0]

    def picture(self, key: tuple[Any, ...], draw: Callable[[], bytes]) -> bytes:
        """A picture, drawn once as long as there is room to keep it."""
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        drawn = draw()
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = drawn
                self._size += len(drawn)
            while self._size > MOST_PICTURES:
                self._size -= len(self._pictures.popitem(last=False)[1])
        return drawn

    def close(self) -> None:
        """Close what is open; the files are the session's to remove."""
        with self._lock:
            self._closed = True
            held = list(self._readers.values())
            self._readers.clear()
            self._entries.clear()
            self._pictures.clear()
        for reader, lock in held:
            with lock:
                reader.close()

    def _summarise(self, entry: Entry) -> None:
        """Read the sound once in the background, so that its whole outline can be shown."""

        def gone(_fraction: float) -> None:
            if self._closed or entry.id not in self._entries:
                raise Missing(entry.id)

        try:
            with open_audio(entry.path) as reader:
                entry.summary = summarise(reader, gone)
        except (Missing, OSError, ValueError):
            return  # the outline stays a sampled one


def clean_name(name: str) -> str:
    """A client's name for a file, fit to be shown and to be a file name: no folders, nothing unprintable."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in last if c.isprintable()).strip(" .")[:LONGEST_NAME]
    return kept or "sound"
