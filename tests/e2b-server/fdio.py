"""Pipes and terminals on the event loop, with back-pressure and cancellation."""

import asyncio
import os


async def readable(fd):
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()
    loop.add_reader(fd, lambda: waiting.done() or waiting.set_result(None))
    try:
        await waiting
    finally:
        loop.remove_reader(fd)


async def writable(fd):
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()
    loop.add_writer(fd, lambda: waiting.done() or waiting.set_result(None))
    try:
        await waiting
    finally:
        loop.remove_writer(fd)


async def read(fd, size):
    """What is there, once something is; nothing at the end."""
    while True:
        try:
            return os.read(fd, size)
        except BlockingIOError:
            await readable(fd)
        except OSError:
            return last_words(fd, size)


def last_words(fd, size):
    """Of a terminal that said EIO: its last process is gone.

    The kernel looks for output first and for processes then; what was written
    between the two looks, by a process that ended at once, is read now.
    """
    try:
        return os.read(fd, size)
    except OSError:
        return b""


async def write(fd, data):
    """All of it: waits while the reader does not read."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view):]
        except BlockingIOError:
            await writable(fd)
