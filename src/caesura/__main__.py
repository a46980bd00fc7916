"""`python -m caesura` is the command `caesura`."""

from __future__ import annotations

__all__: list[str] = []

import sys

from caesura.cli import main

if __name__ == "__main__":
    sys.exit(main())
