"""Asking a Prometheus for the objectives of a run: what it says goes into ``prometheus.json``, for the judge."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from harness.errors import HarnessError
from model.record import Record
from reports import agreement, evidence, promql, tables
from reports.agreement import FILE, Answers, Asked, Values
from reports.audit import audit
from reports.promql import Source, Unsaid
from reports.selection import Evidence
from reports.series import extent

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


def ask(record: Record, url: str) -> tuple[Answers, ...]:
    """Ask a Prometheus for every objective of a run and write ``prometheus.json``.

    Raises:
        PrometheusError: Nobody answers at this address, or a query is refused.
        RecordError: The record is truncated or foreign.
    """
    api = Api(url)
    with tables.opened(record) as database:
        gathered = evidence.gather(record, database)
        answers = tuple(_answers(api, gathered, source) for source in sources(gathered) if _holds(api, source))
    record.write_json(FILE, answers)
    return answers


def summary(record: Record, answers: tuple[Answers, ...]) -> Iterator[str]:
    """Yield what agrees and what doesn't, a line per objective and source; needs a sealed record."""
    if not answers:
        yield "prometheus: it holds no series of this run"
    with tables.opened(record) as database:
        gathered = evidence.gather(record, database)
        audit(database, gathered.plan.stack.provinces, gathered.events)
        for compared in agreement.compare(record, gathered):
            said = f"{compared.figures} figures agree within {agreement.TOLERANCE:.0%}"
            said = f"not asked: {compared.unsaid}" if compared.unsaid else "; ".join(compared.differences) or said
            yield f"prometheus ({compared.source}): {compared.objective}: {said}"


def sources(gathered: Evidence) -> Iterator[Source]:
    """Yield where the series of a run can be: loaded from ``metrics.om``, and scraped while it went on."""
    events = {event["event"]: event for event in gathered.events}
    if "t0" not in events:
        return
    began = float(events["t0"]["time"]) - float(events["t0"]["t"] or 0.0)
    step, steps = extent(gathered.database, gathered.plan)
    yield Source("metrics.om", 'instance=""', began, began + step * steps, step)
    if "metrics_started" in events and "run_finished" in events:
        instance = urlsplit(str(events["metrics_started"].get("url"))).netloc
        yield Source("live", f'instance="{instance}"', began, float(events["run_finished"]["time"]))


def _holds(api: Api, source: Source) -> bool:
    series = f"thongsuot_requests_total{{{source.matcher}}} {source.at(float('inf'))}"
    return bool(api.query(f"count({series})", source.finish))


def _answers(api: Api, gathered: Evidence, source: Source) -> Answers:
    return Answers(
        source=source.name,
        objectives=tuple(_asked(api, gathered, source, i) for i in range(len(gathered.plan.objectives))),
    )


def _asked(api: Api, gathered: Evidence, source: Source, number: int) -> Asked:
    objective = gathered.plan.objectives[number]
    try:
        query = promql.query(objective, gathered, source)
    except Unsaid as reason:
        return Asked(objective=objective.name, unsaid=str(reason))
    value, samples = (_evaluate(api, text, source) for text in (query.value, query.samples))
    return Asked(objective=objective.name, query=query.value, values=value, samples=samples)


def _evaluate(api: Api, expression: str, source: Source) -> Values:
    """Return what an expression yields; NaN, the share of no samples, is nothing."""
    found = api.query(expression, source.finish) if expression else {}
    return {place: value for place, value in found.items() if value == value}  # noqa: PLR0124  # NaN
