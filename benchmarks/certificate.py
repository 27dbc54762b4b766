"""A certificate for the server, and the authority that every tool is told to trust; both made anew for each run."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import trustme

_SERVER, _AUTHORITY = "server.pem", "authority.pem"


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="thongsuot-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / _SERVER))
    authority.cert_pem.write_to_path(str(folder / _AUTHORITY))
    return folder


def server_file() -> Path:
    """Return the PEM of the server's key and certificate, for 127.0.0.1."""
    return _folder() / _SERVER


def authority_file() -> Path:
    """Return the PEM of the authority that has signed it."""
    return _folder() / _AUTHORITY
