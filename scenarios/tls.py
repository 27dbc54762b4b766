"""TLS for the journeys' client: the same non-blocking socket, with OpenSSL between it and the parser.

Certificate and name are verified, always. A handshake that fails is a refusal: nothing of the request was sent.
"""

import functools
import ssl
from typing import Any

from scenarios.connection import Connection, Failure, SocketAddress

_CHUNK = 65536


@functools.cache
def context_for(ca_file: str | None) -> ssl.SSLContext:
    """Return the context that trusts the certificates of a file, or those of the system.

    Raises:
        OSError: The file can't be read, or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Identity:
    """Whom a pool expects at the other end, and the session that its connections take up again.

    Attributes:
        context: What is trusted.
        server_name: Name or address that the certificate must carry.
        session: Of an earlier connection; None before the first.
    """

    def __init__(self, ca_file: str | None, server_name: str) -> None:
        self.context = context_for(ca_file)
        self.server_name = server_name
        self.session: ssl.SSLSession | None = None


class TlsConnection(Connection):
    """A connection whose bytes are encrypted."""

    def __init__(self, address: SocketAddress, deadline: float, identity: Identity) -> None:
        self._identity = identity
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = identity.context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_hostname=identity.server_name,
            session=identity.session,
        )
        super().__init__(address, deadline)

    @property
    def resumed(self) -> bool:
        """Whether the handshake took up an earlier session."""
        return bool(self._tls.session_reused)

    def _connect(self, address: Any, deadline: float) -> None:
        super()._connect(address, deadline)
        try:
            while not self._handshake():
                self._flush(deadline)
                self._take(deadline)
            self._flush(deadline)
        except ssl.SSLCertVerificationError as error:
            raise Failure("refused", f"certificate not trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Failure("refused", f"no TLS: {error.reason or error}") from None
        except OSError as error:
            raise Failure("reset", f"during the TLS handshake: {error.strerror}") from None
        self.sent = False

    def _handshake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _take(self, deadline: float) -> None:
        """Wait for bytes of the handshake."""
        if not self._wait_readable(deadline):
            raise Failure("timeout", "no TLS handshake in time")
        chunk = super()._read()
        if chunk == b"":
            raise Failure("reset", "closed during the TLS handshake")
        self._incoming.write(chunk or b"")

    def _flush(self, deadline: float) -> None:
        if self._outgoing.pending:
            super()._write(self._outgoing.read(), deadline)

    def _write(self, data: bytes | memoryview, deadline: float) -> None:
        self._tls.write(data)
        self._flush(deadline)

    def _read(self) -> bytes | None:
        chunk = super()._read()
        if chunk is None:
            return None
        if chunk:
            self._incoming.write(chunk)
        else:
            self._incoming.write_eof()
        return self._decrypted()

    def _decrypted(self) -> bytes | None:
        """Return what can be read of what has come; no bytes only where the peer said that it is the end."""
        pieces = []
        try:
            while piece := self._tls.read(_CHUNK):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            if self._identity.session is None:
                self._identity.session = self._tls.session
            return b"".join(pieces) or None
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError as error:
            if not pieces:
                raise Failure("reset", f"TLS: {error.reason or error}") from None
        return b"".join(pieces)

    def _closed_by_peer(self) -> bool:
        """Let session tickets pass that come between two replies."""
        try:
            return self._read() is not None
        except (Failure, OSError):
            return True
