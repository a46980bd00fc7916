"""One thread for vector operations that are too short to share.

OpenBLAS splits a vector of 10,000 samples over all cores, which on four of them makes Burg's method 30 times slower.
"""

from __future__ import annotations

__all__ = ["one_thread"]

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A context in which the libraries of linear algebra use one thread; what they used before returns after it."""
    limits: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limits


@cache
def _libraries() -> ThreadpoolController:
    """Those of NumPy and SciPy, which have one each; found once, for the search takes a millisecond."""
    import scipy.linalg.blas  # noqa: F401  # has to be loaded to be found

    return ThreadpoolController()
