"""The processes of the load: `python -m scenarios.load master|worker|courier …`.

Each prints one JSON object a line and ends when its standard input does. The master says `ready` (how many workers),
`joined`, `clock`, `lost`, `back`, `division`, `finished`, and takes `stack`, `begin` (t0), `gone` (a name), `stop`.
A worker says `joined` or `refused`. A courier delivers what a worker that died had not delivered, and says `delivered`.
"""

import argparse
import socket
import sys
import time
from pathlib import Path

import gevent
import locust  # noqa: F401  # patches the standard library before anything else opens a socket
from locust.rpc import Message, zmqrpc

from model.record import Record
from scenarios.briefing import Refused
from scenarios.delivery import Outbox
from scenarios.lines import listen, say
from scenarios.master import Master, serve
from scenarios.worker import DELIVERED_WITHIN, Worker


def main() -> int:
    """Run the role that the command line names; returns the exit status."""
    arguments = _parser().parse_args()
    role = {"master": _master, "worker": _worker, "courier": _courier}[arguments.role]
    return role(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scenarios.load", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    master, worker, courier = (roles.add_parser(name) for name in ("master", "worker", "courier"))
    for parsed in (master, worker, courier):
        parsed.add_argument("folder", type=Path, help="the record, or a spool of a worker on another host")
        parsed.add_argument("--host", required=True)
        parsed.add_argument("--port", type=int, required=True)
    master.add_argument("--expect", type=int, required=True)
    master.add_argument("--run", required=True)
    worker.add_argument("--name", required=True)
    worker.add_argument("--plan", default="", help="fingerprint of the plan that it may run")
    worker.add_argument("--deliver", action="store_true", help="send to the master what is recorded here")
    return parser


def _master(arguments: argparse.Namespace) -> int:
    master = Master(arguments.host, arguments.port, arguments.expect, Record(arguments.folder), arguments.run)
    serve(master, listen)
    return 0


def _worker(arguments: argparse.Namespace) -> int:
    listener = gevent.spawn(listen, lambda _: None)
    job = gevent.spawn(_work, arguments)
    gevent.joinall([job, listener], count=1)
    return int(job.get()) if job.ready() else 1


def _work(arguments: argparse.Namespace) -> int:
    try:
        Worker(
            arguments.host, arguments.port, arguments.name, arguments.folder, arguments.deliver, arguments.plan
        ).run()
    except Refused as refusal:
        say(refused=str(refusal))
        return 2
    return 0


def _courier(arguments: argparse.Namespace) -> int:
    """Deliver the rest of a spool, over the same messages that its worker used."""
    record = Record(arguments.folder)
    outbox = Outbox(record, f"worker-{record.json('brief.json')['index']}")
    identity = f"courier-{socket.gethostname()}-{time.monotonic_ns()}"
    client = zmqrpc.Client(arguments.host, arguments.port, identity)
    gevent.spawn(_take_receipts, client, outbox)
    deadline = time.monotonic() + DELIVERED_WITHIN
    while outbox.pending and time.monotonic() < deadline:
        for table, offset, data in outbox.due():
            piece = {"part": outbox.part, "table": table, "offset": offset, "data": data}
            client.send(Message("rows", piece, identity))
        gevent.sleep(0.05)
    say(delivered=not outbox.pending)
    return int(outbox.pending)


def _take_receipts(client: zmqrpc.Client, outbox: Outbox) -> None:
    while True:
        message = client.recv()
        if message.type == "got":
            outbox.acknowledge(message.data["table"], message.data["size"])


if __name__ == "__main__":
    sys.exit(main())
