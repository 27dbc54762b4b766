"""``python -m faults.embedded``: serve until SIGTERM or SIGINT. The flags are the real server's, with - or --."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from faults.embedded.address import Address, listener, listening
from faults.embedded.api import VERSION, Api
from faults.embedded.errors import ApiError
from faults.embedded.http import Http
from faults.embedded.metrics import Metrics


async def serve(options: argparse.Namespace) -> None:
    """Serve the API (port 0: a free one, which is printed) until a signal comes; raises ApiError."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    api = Api(Metrics(options.proxy_metrics, options.runtime_metrics))
    if options.config:
        await populate(api, Path(options.config))
    sock = await listener(str(Address(options.host, options.port)))
    server = await loop.create_server(lambda: Http(api.answer), sock=sock)
    print(f"listening on {listening(sock)}", flush=True)
    await done.wait()
    server.close()
    for proxy in api.proxies.values():
        proxy.stop()


async def populate(api: Api, config: Path) -> None:
    """Create the proxies of a file as POST /populate does; what is wrong with it is said, and no reason to stop."""
    try:
        answer = await api.populate(config.read_bytes())
        problem = "" if answer.status == 201 else answer.body.decode()
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        print(f"{config}: the proxies of this file were not all created: {problem}", file=sys.stderr, flush=True)


def arguments(given: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m faults.embedded", description="A Toxiproxy server in Python.", allow_abbrev=False
    )
    parser.add_argument("-host", "--host", default="localhost", help="host of the API (default localhost)")
    parser.add_argument("-port", "--port", type=int, default=8474, help="port of the API (default 8474)")
    parser.add_argument("-config", "--config", default="", help="JSON file of the proxies to create")
    parser.add_argument("-seed", "--seed", type=int, help="without effect, as in the real server")
    for name, what in (("proxy-metrics", "bytes relayed"), ("runtime-metrics", "use of this process")):
        parser.add_argument(
            f"-{name}",
            f"--{name}",
            nargs="?",
            const=True,
            default=False,
            type=_bool,
            help=f"show the {what} in /metrics",
        )
    parser.add_argument("-version", "--version", action="version", version=f"toxiproxy-server version {VERSION}")
    return parser.parse_args(given)


def _bool(text: str) -> bool:
    """Read a flag's value as Go does."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError(text)


def main() -> int:
    """Run the server; 1 and one line when its port is taken."""
    options = arguments(sys.argv[1:])
    try:
        uvloop.run(serve(options))
    except ApiError as error:
        print(f"{options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
