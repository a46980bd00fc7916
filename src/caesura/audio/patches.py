"""Patches: new samples for a span of frames, laid over what is there."""

from __future__ import annotations

__all__ = ["Overlay", "Patch", "checked"]

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.audio.layout import AudioError, Info
from caesura.audio.pcm import Floats


@dataclass(frozen=True, eq=False)
class Patch:
    """New samples from frame `start` on."""

    start: int
    """First frame."""
    samples: Floats
    """(channels, frames), or (1, frames) where `channel` is given."""
    channel: int | None = None
    """Index of the only channel to change, or None for all of them."""

    @property
    def stop(self) -> int:
        """One past the last frame."""
        return self.start + int(self.samples.shape[1])

    @property
    def rows(self) -> slice:
        """The channels to change."""
        return slice(None) if self.channel is None else slice(self.channel, self.channel + 1)


def checked(patches: Iterable[Patch], info: Info) -> Iterator[Patch]:
    """Hand patches on one by one.

    Raises:
        AudioError: a patch lies outside the file, has the wrong shape, or begins before the one in front of it.
    """
    begin = 0
    for patch in patches:
        rows = info.channels if patch.channel is None else 1
        if patch.samples.ndim != 2 or patch.samples.shape[0] != rows or not patch.samples.shape[1]:
            raise AudioError(f"a patch at frame {patch.start} needs shape ({rows}, frames), got {patch.samples.shape}")
        if patch.channel is not None and not 0 <= patch.channel < info.channels:
            raise AudioError(f"channel {patch.channel} does not exist, '{info.path}' has {info.channels} (from 0)")
        if patch.start < 0 or patch.stop > info.frames:
            raise AudioError(f"frames {patch.start} to {patch.stop} do not exist, '{info.path}' has {info.frames}")
        if patch.start < begin:
            raise AudioError(f"a patch at frame {patch.start} comes after one at frame {begin}: sort them by start")
        begin = patch.start
        yield patch


class Overlay:
    """Lays patches over consecutive blocks; only the patches that touch the block are in memory."""

    def __init__(self, patches: Iterable[Patch], info: Info) -> None:
        self._patches = checked(patches, info)
        self._next = next(self._patches, None)
        self._active: list[Patch] = []
        self._spans: list[tuple[int, int, slice]] = []
        self._longest = 0

    def apply(self, start: int, samples: Floats) -> Floats:
        """Samples (channels, frames) with the patches laid over them; blocks must come in order."""
        stop = start + samples.shape[1]
        while self._next is not None and self._next.start < stop:
            self._active.append(self._next)
            self._spans.append((self._next.start, self._next.stop, self._next.rows))
            self._longest = max(self._longest, self._next.stop - self._next.start)
            self._next = next(self._patches, None)
        laid = samples.copy() if self._active else samples
        for patch in self._active:
            a, b = max(patch.start, start), min(patch.stop, stop)
            laid[patch.rows, a - start : b - start] = patch.samples[:, a - patch.start : b - patch.start]
        self._active = [patch for patch in self._active if patch.stop > stop]
        return laid

    def mask(self, start: int, stop: int, channels: int) -> NDArray[np.bool_]:
        """(channels, stop - start), True where a patch has been laid so far."""
        mask = np.zeros((channels, stop - start), dtype=bool)
        first = bisect_left(self._spans, start - self._longest, key=lambda span: span[0])
        last = bisect_left(self._spans, stop, key=lambda span: span[0])
        for a, b, rows in self._spans[first:last]:
            mask[rows, max(a - start, 0) : max(b - start, 0)] = True
        return mask
