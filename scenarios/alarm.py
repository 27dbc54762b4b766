"""Waking up on time: to some tens of microseconds, where the event loop's own timers are rounded up to milliseconds.

A timerfd of Linux, watched by gevent's loop. Python has it in `os` since 3.13; until then it comes from the C library.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from time import CLOCK_MONOTONIC
from typing import Any

from gevent.hub import get_hub

_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_NANOSECONDS = 1_000_000_000


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


_libc = ctypes.CDLL(None, use_errno=True)
_settime = _libc.timerfd_settime
_settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Setting), ctypes.c_void_p)


class Alarm:
    """Calls a function in the event loop at a moment, before anything else that the loop has to do then.

    The function runs in the hub: it must not wait, and must set the alarm again or close it.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        """Prepare; raises OSError where no timer can be had."""
        self._setting = _Setting()
        self._pointer = ctypes.pointer(self._setting)
        flags = os.O_NONBLOCK | os.O_CLOEXEC  # what TFD_NONBLOCK and TFD_CLOEXEC are
        self._timer = _checked(_libc.timerfd_create(CLOCK_MONOTONIC, flags))
        loop = get_hub().loop
        self._watcher: Any = loop.io(self._timer, 1)
        self._watcher.priority = loop.MAXPRI
        self._watcher.start(function)

    def set(self, moment: float) -> None:
        """Wake up at a monotonic moment in seconds, at once if it has passed; forget what was set before."""
        nanoseconds = max(int(moment * _NANOSECONDS), 1)
        value = self._setting.value
        value.seconds, value.nanoseconds = divmod(nanoseconds, _NANOSECONDS)
        _checked(_settime(self._timer, _ABSOLUTE, self._pointer, None))

    def close(self) -> None:
        """Wake up no more."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
            os.close(self._timer)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"timerfd: {errno.errorcode.get(number, number)}")
    return result
