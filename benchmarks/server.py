"""The server that every tool loads: canned replies from one thread, and the moment at which each request came in.

`python -m benchmarks.server [--tls PEM] [--service SECONDS] [--awake]` prints its port. It answers the calls of the
journey submit-online with content that passes the journey's checks, and does nothing else: it is there to cost little
and to know the truth. With a service time it answers so long after a request came, however many there are. Awake, it
asks for requests without ever sleeping: waking a core of the same machine would cost the sender some microseconds, and
more often where the tool is slow.

- `GET /small`: 200 bytes. `POST /dossiers`: a submission's acknowledgement. The other paths: see docs/systems.md.
- `GET /bench/count`: requests so far. `GET /bench/moments`: monotonic seconds at which each came and was answered.
- `GET /bench/reset`: forget them. `GET /bench/stall?at=T&seconds=S`: answer nothing in this span of monotonic time.

It is a plain epoll loop because a framework would take most of the time that lateness is measured in.
"""

import argparse
import json
import select
import socket
import ssl
import sys
import time
import zlib
from array import array
from collections import deque
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SMALL = json.dumps({"error_code": 0, "items": [], "padding": "x" * 160}).encode()
LARGEST = 1 << 20  # bytes of a request


def _reply(status: str, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _ok(content: object) -> bytes:
    return _reply("200 OK", json.dumps(content).encode())


_SMALL = _reply("200 OK", SMALL)
_TOKEN = _ok({"access_token": "t" * 120, "id_token": "i" * 240, "token_type": "Bearer", "expires_in": 3600})
_SESSION = _ok({"session": "s" * 120, "TechID": "T1", "HoVaTen": "Nguyễn Văn A"})
_PERSON = _ok(
    {"error_code": 0, "SoDinhDanh": "001085012345", "HoVaTen": "Nguyễn Văn A", "NgayThangNamSinh": "1985-01-01"}
)
_PAYMENT = _ok({"MaGiaoDich": "P1", "UrlThanhToan": "/payments/P1/pay", "SoTien": 10000})
_PAID = _ok({"error_code": 0, "TrangThai": "paid"})
_ACKNOWLEDGED = b'{"error_code": 0, "code": "?", "state": 1, "sequence": 1, "fee": 8000}'
_MISSING = _reply("404 Not Found", b"{}")


class Server:
    """Answers on one listening socket until its process is ended.

    Attributes:
        port: Where it listens, on loopback.
    """

    def __init__(self, certificate: Path | None = None, service: float = 0.0, awake: bool = False) -> None:
        """Listen on a free port.

        Args:
            certificate: PEM of key and certificate, for TLS.
            service: Seconds from a request to its reply.
            awake: Whether it never sleeps.
        """
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._connections: dict[int, socket.socket] = {}
        self._buffers: dict[int, bytes] = {}
        self._came = array("d")
        self._answered = array("d")
        self._stall = (0.0, 0.0)  # monotonic seconds: from, to
        self._service = service
        self._awake = awake
        self._later: deque[tuple[float, socket.socket, bytes]] = deque()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)

    def run(self) -> None:
        """Serve for ever."""
        poll = select.epoll()
        listening = self._listener.fileno()
        poll.register(listening, select.EPOLLIN)
        while True:
            for number, _ in poll.poll(self._patience()):
                if number != listening:
                    self._serve(number)
                else:
                    self._accept(poll)
            self._send_due()
            begin, end = self._stall
            if begin <= time.monotonic() < end:
                time.sleep(end - time.monotonic())

    def _patience(self) -> float:
        """Wake up in time for a stall and for the next reply; otherwise wait for whatever comes."""
        if self._awake:
            return 0.0
        now = time.monotonic()
        moments = [reply[0] for reply in list(self._later)[:1]] + [begin for begin in self._stall[:1] if begin > now]
        return max(min(moments) - now, 0.0) if moments else -1.0

    def _send_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            _, connection, reply = self._later.popleft()
            self._answered.append(time.monotonic())
            try:
                connection.sendall(reply)
            except OSError:  # its client has gone: nobody waits for it
                continue

    def _accept(self, poll: select.epoll) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            try:
                connection = self._secured(connection)
            except OSError:  # the peer gave up: it doesn't trust us, say
                connection.close()
                continue
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[connection.fileno()] = connection
            poll.register(connection.fileno(), select.EPOLLIN)

    def _secured(self, connection: socket.socket) -> socket.socket:
        """Shake hands where there is TLS, once per connection and one after the other."""
        if self._tls is None:
            return connection
        connection.settimeout(30.0)
        return self._tls.wrap_socket(connection, server_side=True)

    def _serve(self, number: int) -> None:
        connection = self._connections[number]
        try:
            data = connection.recv(65536)
            came = time.monotonic()
            if not data:
                raise ConnectionResetError
            if number in self._buffers:
                data = self._buffers.pop(number) + data
            rest = self._answer(connection, data, came)
            if rest:
                self._buffers[number] = rest
        except ssl.SSLWantReadError:
            return
        except OSError:
            self._buffers.pop(number, None)
            self._connections.pop(number).close()

    def _answer(self, connection: socket.socket, data: bytes, came: float) -> bytes:
        """Answer every whole request in ``data``; return what is left over."""
        while data:
            size = _size_of(data)
            if size > len(data):
                return data
            _, target, _ = data[: data.index(b"\r\n")].split(b" ", 2)
            if target.startswith(b"/bench/"):
                connection.sendall(self._control(target.decode()))
            elif self._service:
                self._came.append(came)
                self._later.append((came + self._service, connection, self._content(target, data[:size])))
            else:
                connection.sendall(self._content(target, data[:size]))
                self._came.append(came)
                self._answered.append(time.monotonic())
            data = data[size:]
        return b""

    def _content(self, target: bytes, request: bytes) -> bytes:
        if target == b"/small":
            return _SMALL
        if target == b"/dossiers":
            code = f"G01.00004-250701-{zlib.crc32(_key_of(request)):010d}"
            return _reply("201 Created", _ACKNOWLEDGED.replace(b"?", code.encode()))
        return self._journey(target.decode())

    def _journey(self, target: str) -> bytes:
        path, _, query = target.partition("?")
        for fixed, reply in _FIXED.items():
            if path == fixed:
                return reply
        if path == "/authorize":
            where = f"Location: https://portal.invalid/callback?code=c1&{_field(query, 'state')}\r\n"
            return _reply("302 Found", b"", where)
        if path == "/procedures":
            wanted = unquote(_field(query, "q").partition("=")[2])
            return _ok({"items": [{"code": wanted, "name": "Khai sinh", "field": "hộ tịch", "fee": 8000, "level": 4}]})
        if path.startswith("/dossiers/"):
            shown = {"code": unquote(path[10:]), "state": 1, "sequence": 1, "history": [[1, 1, 0.0, 0.0]]}
            return _PAYMENT if path.endswith("/payment") else _ok(shown)
        return _PAID if path.startswith("/payments/") else _MISSING

    def _control(self, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path == "/bench/moments":
            return _ok({"came": list(self._came), "answered": list(self._answered)})
        if parts.path == "/bench/reset":
            del self._came[:], self._answered[:]
        if parts.path == "/bench/stall":
            asked = parse_qs(parts.query)
            begin = float(asked["at"][0])
            self._stall = (begin, begin + float(asked["seconds"][0]))
        return _ok({"count": len(self._came)})


_FIXED = {"/token": _TOKEN, "/session": _SESSION, "/population": _PERSON}


def _field(query: str, name: str) -> str:
    return next((pair for pair in query.split("&") if pair.startswith(f"{name}=")), "")


def _key_of(request: bytes) -> bytes:
    """Return the idempotency key: the same key is given the same code."""
    return request.lower().partition(b"\r\nidempotency-key:")[2].partition(b"\r\n")[0].strip()


def _size_of(data: bytes) -> int:
    """Return how many bytes the first request of ``data`` has; more than there are where its head isn't complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return len(data) + 1
    if data.startswith(b"GET "):
        return end + 4
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    if length > LARGEST:
        raise ConnectionResetError
    return end + 4 + length


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls", type=Path)
    parser.add_argument("--service", type=float, default=0.0)
    parser.add_argument("--awake", action="store_true")
    arguments = parser.parse_args()
    server = Server(arguments.tls, arguments.service, arguments.awake)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main()
