"""Keeping a Toxiproxy server and our proxies on it: what is lost is made again, clean."""

import time

from faults.server import Server, revive
from faults.toxiproxy import Proxies, ProxyError
from faults.watchdog_client import Watchdog, WatchdogError
from model.record import EventLog

EVERY = 1.0  # seconds between two looks at a server that isn't ours


class Keeper:
    """Looks after one server and its proxies, whenever it is asked to.

    A server of ours that ends is started again. One that isn't ours is asked, once a second at most, whether it still
    has our proxies.

    Attributes:
        server: As it runs now.
    """

    def __init__(self, server: Server, proxies: Proxies, watchdog: Watchdog, events: EventLog) -> None:
        self.server = server
        self._proxies = proxies
        self._watchdog = watchdog
        self._events = events
        self._silent = False
        self._due = 0.0

    def look(self) -> bool:
        """Mend what is lost; returns whether something was. Never raises: the next look tries again.

        The faults that were on are gone with it: their lives find that they were released early.
        """
        process = self.server.process
        if process is None:
            return time.monotonic() >= self._due and self._look_at_others()
        if process.poll() is None:
            return False
        self._events.write("toxiproxy_lost", api=self.server.api, status=process.returncode)
        try:
            self.server = revive(self.server)
            if self.server.process:
                self._watchdog.add_process(self.server.process.pid)
            restored = self._proxies.restore()
        except (ProxyError, WatchdogError, OSError) as error:
            self._events.write("toxiproxy_restart_failed", reason=str(error))
        else:
            self._events.write("toxiproxy_restarted", api=self.server.api, proxies=len(restored))
        return True

    def _look_at_others(self) -> bool:
        """Make those of our proxies again that a server of others has lost, as soon as it answers."""
        was_silent = self._silent
        restored: list[str] = []
        try:
            restored = self._proxies.restore()
            self._silent = False
        except ProxyError:
            self._silent = True
        self._due = time.monotonic() + EVERY
        lost = bool(restored) or self._silent
        if lost and not was_silent:
            self._events.write("toxiproxy_lost", api=self.server.api)
        if (restored or was_silent) and not self._silent:
            self._events.write("toxiproxy_restarted", api=self.server.api, proxies=len(restored))
        return lost

    def stop(self) -> None:
        """End the server."""
        self.server.stop()
