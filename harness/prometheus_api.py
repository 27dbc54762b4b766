"""Queries to a Prometheus over its HTTP API."""

from typing import Any

import httpx

from harness.errors import HarnessError

TIMEOUT = 30.0
"""Seconds that a query may take."""

Vector = dict[str, float]
"""Province (empty: none) -> value."""


class PrometheusError(HarnessError):
    """A Prometheus can't be asked: where, and why."""


class Api:
    """The HTTP API of a Prometheus.

    Attributes:
        url: ``http://host:port``, perhaps with a path.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def query(self, expression: str, time: float) -> Vector:
        """Evaluate an expression at a Unix time; raises PrometheusError."""
        data = {"query": expression, "time": f"{time:.3f}"}
        try:
            answer = httpx.post(f"{self.url}/api/v1/query", data=data, timeout=TIMEOUT)
            said = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise PrometheusError(f"{self.url}: no Prometheus answers there ({error})") from None
        if not isinstance(said, dict) or said.get("status") != "success":
            reason = said.get("error") if isinstance(said, dict) else f"HTTP {answer.status_code}"
            raise PrometheusError(f"{self.url}: a query was refused: {reason}")
        return _vector(said["data"])


def _vector(data: dict[str, Any]) -> Vector:
    if data["resultType"] == "scalar":
        return {"": float(data["result"][1])}
    return {entry["metric"].get("province", ""): float(entry["value"][1]) for entry in data["result"]}
