"""Work that nobody waits for: kept alive until done, and not silent when it fails."""

import asyncio
import traceback

_running = set()  # the loop itself holds tasks only weakly


def start(coroutine):
    task = asyncio.ensure_future(coroutine)
    _running.add(task)
    task.add_done_callback(_done)
    return task


def _done(task):
    _running.discard(task)
    if not task.cancelled() and task.exception():
        traceback.print_exception(task.exception())
