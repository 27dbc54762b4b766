"""Keeping a Toxiproxy server that is ours: one that ends is started again, and its proxies are made again, clean."""

from faults.server import Server, revive
from faults.toxiproxy import Proxies, ProxyError
from faults.watchdog_client import Watchdog, WatchdogError
from model.record import EventLog


class Keeper:
    """Looks after one server and its proxies, whenever it is asked to.

    Attributes:
        server: As it runs now.
    """

    def __init__(self, server: Server, proxies: Proxies, watchdog: Watchdog, events: EventLog) -> None:
        self.server = server
        self._proxies = proxies
        self._watchdog = watchdog
        self._events = events

    def look(self) -> bool:
        """Start the server again where it has ended; returns whether it had. Never raises: the next look tries again.

        The faults that were on are gone with it: their lives find that they were released early.
        """
        process = self.server.process
        if process is None or process.poll() is None:
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

    def stop(self) -> None:
        """End the server."""
        self.server.stop()
