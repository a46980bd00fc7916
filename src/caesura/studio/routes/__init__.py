"""What can be asked of the studio, one file per subject."""

from __future__ import annotations

__all__ = ["ROUTERS"]

from caesura.studio.routes import exports, files, jobs, sessions, views, work

ROUTERS = (sessions.router, files.router, views.router, work.router, jobs.router, exports.router)
