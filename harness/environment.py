"""What a run ran on: for the record and for `thongsuot doctor`."""

import os
import platform
import time
from importlib.metadata import version

PACKAGES = ("thongsuot", "locust", "gevent", "granian", "toxiproxy-python", "prometheus-client", "duckdb", "httptools")


def describe() -> dict[str, object]:
    """Return versions, cores, memory and the time."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "packages": {name: version(name) for name in PACKAGES},
    }
