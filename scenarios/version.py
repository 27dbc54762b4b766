"""Which journeys a worker would run: master and workers must agree, or shares of one schedule would differ."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("model", "scenarios")


@cache
def fingerprint() -> str:
    """Return the version of the program and a digest of the code and data that make the load."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted(path for path in (root / package).rglob("*") if path.suffix in (".py", ".csv")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('thongsuot')}+{digest.hexdigest()[:12]}"
