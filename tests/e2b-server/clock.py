"""A clock that tests may set forward: lifetimes pass without waiting."""

import asyncio
import time


class Alarm:
    def __init__(self, clock, when, call):
        self.clock = clock
        self.when = when
        self.call = call
        self.handle = None

    def arm(self):
        loop = asyncio.get_running_loop()
        self.handle = loop.call_later(max(0, self.when - self.clock.now()), self._ring)

    def _ring(self):
        self.clock.alarms.discard(self)
        self.call()

    def cancel(self):
        self.clock.alarms.discard(self)
        if self.handle:
            self.handle.cancel()


class Clock:
    def __init__(self):
        self.offset = 0.0
        self.alarms = set()

    def now(self):
        return time.time() + self.offset

    def at(self, when, call):
        """Calls once that time is reached; returns an alarm with cancel()."""
        alarm = Alarm(self, when, call)
        self.alarms.add(alarm)
        alarm.arm()
        return alarm

    def advance(self, seconds):
        self.offset += seconds
        for alarm in list(self.alarms):
            alarm.handle.cancel()
            alarm.arm()
