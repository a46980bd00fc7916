"""Work through a list with several processes, each with one thread, none of which outlives the program.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["computed"]

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def computed(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Results as they come; with one job in order and in this process.

    Args:
        work: what is done, a function of a module.
        tasks: what with; both can be pickled.
        jobs: processes.

    Raises:
        ValueError: there is less than one.
    """
    if jobs < 1:
        raise ValueError(f"{jobs} processes do nothing: give 1 or more")
    if jobs == 1 or len(tasks) < 2:
        yield from map(work, tasks)
        return
    others = set(multiprocessing.active_children())
    # A fresh interpreter per process: a fork would copy locked threads of numerical libraries.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=fresh, initializer=_begin) as pool:
        try:
            for future in as_completed([pool.submit(work, task) for task in tasks]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()  # it could go on for minutes with what nobody waits for
            raise


def _begin() -> None:
    """One thread for linear algebra; and end with the program, which may be killed without a word."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program ends its processes itself
    threadpool_limits(1)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
