"""The studio: a local server for the editor in the browser.

    browser --HTTP--> app (sessions, files, pictures) --pipe--> one worker process per device (models)

The server runs no signal processing that the library lacks, and nothing it is sent is a path or a pickle. FastAPI comes
with the extra `caesura[studio]`; this package is imported by `caesura studio` alone.
"""

from __future__ import annotations

__all__ = ["Settings"]

from caesura.studio.settings import Settings
