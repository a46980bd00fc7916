"""What the studio is started with."""

from __future__ import annotations

__all__ = ["Settings", "is_loopback"]

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where the studio listens, what it offers, and its limits.

    Raises:
        ValueError: it would be open to others without a token, or a limit is not positive.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str = ""
    """What a client has to know; needed wherever others can reach the address."""
    folder: Path | None = None
    """Recordings to choose from."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Weights by method, besides those that came with the package or are known by name."""
    devices: tuple[str, ...] = ("cpu",)
    """One worker process each: cpu, or cuda:0 and so on."""
    work: Path | None = None
    """Where temporary files go; None: the system's folder."""
    most_bytes: int = 8 << 30
    """On disk, per session."""
    most_seconds: float = 6 * 3600.0
    """Of a recording."""
    most_sessions: int = 64
    most_queued: int = 64
    """Jobs that wait, of all sessions."""
    most_own: int = 16
    """Jobs of one session that wait or run."""
    idle_seconds: float = 12 * 3600.0
    """After which a session that nobody uses is removed."""
    grace_seconds: float = 5.0
    """That a cancelled job may go on before its worker is ended."""

    def __post_init__(self) -> None:
        if not self.token and not is_loopback(self.host):
            raise ValueError(
                f"--host {self.host} lets others in: set a secret with --token, or leave the host at 127.0.0.1"
            )
        if self.folder is not None and not self.folder.is_dir():
            raise ValueError(f"--folder {self.folder} is not a folder: create it first")
        for name in ("most_bytes", "most_seconds", "most_sessions", "most_queued", "most_own", "idle_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be positive")
        if not self.devices:
            raise ValueError("name at least one device, as cpu")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
