"""``python -m faults.embedded [--host HOST] [--port PORT]``: serve until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
import sys

import uvloop

from faults.embedded.api import Api
from faults.embedded.http import Http


async def serve(host: str, port: int) -> None:
    """Serve the API on ``host:port`` (0: a free one, which is printed) until a signal comes."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    api = Api()
    server = await loop.create_server(lambda: Http(api.answer), host, port)
    print(f"listening on {host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await done.wait()
    server.close()
    for proxy in api.proxies.values():
        proxy.stop()


def main() -> int:
    """Run the server; 1 and one line when its port is taken."""
    parser = argparse.ArgumentParser(prog="python -m faults.embedded", description="A Toxiproxy server in Python.")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8474)
    options = parser.parse_args()
    try:
        uvloop.run(serve(options.host, options.port))
    except OSError as error:
        print(f"{options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
