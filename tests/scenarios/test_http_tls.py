"""TLS is verified, and what fails before the request is a refusal in which nothing was sent."""

import atexit
import os
import socket
import ssl
import tempfile

import pytest
import trustme

from scenarios.http import Pool, Reply
from tests.scenarios.servers import OK, Handler, answering, server, serving, silent

AUTHORITY = trustme.CA()
SERVER = AUTHORITY.issue_cert("localhost", "127.0.0.1")
_FILE, CA = tempfile.mkstemp(suffix=".pem")
os.close(_FILE)
atexit.register(os.unlink, CA)
AUTHORITY.cert_pem.write_to_path(CA)


def context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    SERVER.configure_cert(made)
    made.maximum_version = version
    return made


def ask(
    address: str, ca_file: str | None = CA, host: str = "127.0.0.1", body: bytes = b"", connect_timeout: float = 20.0
) -> Reply:
    pool = Pool(f"https://{host}:{address.rpartition(':')[2]}", connect_timeout, 20.0, ca_file=ca_file)
    reply = pool.request("POST" if body else "GET", "/x", {}, body)
    pool.close()
    return reply


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_trusted_server_is_ok(version: ssl.TLSVersion, host: str) -> None:
    """Address and name of the certificate are both accepted."""
    with server(answering(OK), context(version)) as address:
        reply = ask(address, host=host)
    assert (reply.outcome, reply.json(), reply.detail) == ("ok", {"a": 1}, "")


def test_an_unknown_authority_is_refused_and_nothing_was_sent() -> None:
    """The system doesn't know the test authority: the request stays here."""
    seen: list[bytes] = []
    with server(lambda connection: seen.append(connection.recv(65536)), context()) as address:
        reply = ask(address, ca_file=None)
    assert (reply.outcome, reply.sent, seen) == ("refused", False, [])
    assert reply.detail.startswith("certificate not trusted: ")


def test_another_name_than_the_certificate_has_is_refused() -> None:
    """127.0.0.2 answers with a certificate that doesn't name it."""
    listener = socket.create_server(("127.0.0.2", 0))
    listener.close()
    with server(answering(OK), context()) as address:
        pool = Pool(f"https://{address}", 20.0, 20.0, ca_file=CA)
        pool._open.keywords["identity"].server_name = "127.0.0.2"  # type: ignore[union-attr]  # a partial, as the address is https
        reply = pool.request("GET", "/", {}, b"")
    assert (reply.outcome, reply.sent) == ("refused", False)
    assert "127.0.0.2" in reply.detail


def test_a_server_without_tls_is_refused() -> None:
    """Plain HTTP on the port is not an answer."""
    with server(answering(OK)) as address:
        reply = ask(address)
    assert (reply.outcome, reply.sent) == ("refused", False)
    assert reply.detail.startswith("no TLS: ")


@pytest.mark.parametrize(
    ("handle", "connect_timeout", "outcome"),
    [(lambda connection: connection.recv(10), 20.0, "reset"), (silent, 0.5, "timeout")],
)
def test_a_handshake_that_does_not_end(handle: Handler, connect_timeout: float, outcome: str) -> None:
    """Closing in the handshake is a reset, silence a time-out; nothing was sent."""
    with server(handle) as address:
        reply = ask(address, connect_timeout=connect_timeout)
    assert (reply.outcome, reply.sent) == (outcome, False)


def test_a_session_is_taken_up_again() -> None:
    """The second connection needs no full handshake."""
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    resumed = []

    def handle(connection: socket.socket) -> None:
        resumed.append(connection.session_reused)  # type: ignore[attr-defined]  # an SSLSocket
        connection.recv(65536)
        connection.sendall(closing)

    with server(handle, context()) as address:
        pool = Pool(f"https://{address}", 20.0, 20.0, ca_file=CA)
        assert [pool.request("GET", "/", {}, b"").outcome for _ in range(2)] == ["ok", "ok"]
    assert resumed == [False, True]


def test_a_connection_is_used_again_under_tls() -> None:
    """Session tickets between two replies don't make a connection look dead."""
    handshakes = []

    def handle(connection: socket.socket) -> None:
        handshakes.append(connection)
        serving(lambda _: OK)(connection)

    with server(handle, context()) as address:
        pool = Pool(f"https://{address}", 20.0, 20.0, ca_file=CA)
        for _ in range(3):
            assert pool.request("GET", "/", {}, b"").outcome == "ok"
            __import__("time").sleep(0.01)
        pool.close()
    assert len(handshakes) == 1


def test_large_bodies_go_both_ways() -> None:
    """2 MB are sent and received whole."""
    body = b"x" * 2_000_000

    def handle(connection: socket.socket) -> None:
        data = b""
        while not data.endswith(b"END"):
            data += connection.recv(1 << 20)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + body)

    with server(handle, context()) as address:
        assert ask(address, body=body + b"END").body == body


def test_a_stream_cut_without_notice_is_no_complete_body() -> None:
    """Without a length, TLS's own closing word tells that a body is whole; a cut line is a reset."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
        socket.socket(fileno=connection.detach()).close()

    with server(handle, context()) as address:
        assert ask(address).outcome == "reset"
