"""What provinces and communes do beside dossiers: periodic reports, given tasks, online meetings, dashboards."""

import random
from datetime import UTC, datetime, timedelta, timezone

from model.books import content_hash
from scenarios.figures import Figures
from scenarios.session import Session
from scenarios.writes import Write

CLOCK = timezone(timedelta(hours=7))
LATE_IN = 10
"""One report in so many is for a day whose report was due long ago [A]."""
LATE_BY = timedelta(days=30)
STAY = (3.0, 6.0)
"""Seconds in a meeting: an hour, scaled as much as the morning around it [A]."""


def report(session: Session) -> None:
    """Send a periodic report of the commune; now and then it is late, now and then it is sent twice."""
    arrival = session.arrival
    late = arrival.number % LATE_IN == 0
    day = datetime.now(UTC).astimezone(CLOCK).date() - (LATE_BY if late else timedelta())
    unit, form = f"H{arrival.province}.{arrival.commune}", f"BC-{arrival.number}"
    body = {"unit": unit, "form": form, "period": str(day), "figures": {"tiep_nhan": arrival.number, "qua_han": 0}}
    write = Write("report", f"{unit}:{form}:{day}", payload_hash=content_hash(body), owners=(unit,))
    for _ in range(1 + arrival.double_submit):
        session.write(write, "reporting.report", "reporting", "/reports", body, lambda c, _: c["late"] is late)


def poll_tasks(session: Session) -> None:
    """Look at the province's tasks, and report on one of them."""
    unit, number = f"H{session.arrival.province}", session.arrival.number
    listed = session.get("tasks.list", "tasks", f"/tasks?unit={unit}", lambda c, _: bool(c["items"]))
    code = listed["items"][number % len(listed["items"])]["code"]
    write = Write("progress", session.key("progress"), owners=(unit,))
    said = {"status": "doing", "text": f"Lượt {number}"}
    session.write(write, "tasks.progress", "tasks", f"/tasks/{code}/progress", said, lambda c, _: c["code"] == code)


def join_meeting(session: Session) -> None:
    """Join an online meeting, stay in it, and leave it: then a seat is free again."""
    stay = random.Random(session.arrival.seed).uniform(*STAY)
    who = {"unit": f"H{session.arrival.province}.{session.arrival.commune}"}
    listed = session.get("meetings.list", "meetings", "/meetings", lambda c, _: bool(c["items"]))
    path = f"/meetings/{listed['items'][0]['code']}"
    session.post("meetings.join", "meetings", f"{path}/join", who, lambda c, _: 1 <= c["taken"] <= c["seats"])
    session.think(stay)
    session.post("meetings.leave", "meetings", f"{path}/leave", who, lambda c, _: 0 <= c["taken"] < c["seats"])


def watch_dashboard(session: Session, figures: Figures) -> None:
    """Read the figures of the operation centre: of every province, fresh, and never less than before."""
    session.get("ioc.dashboard", "ioc", "/dashboard", lambda c, _: figures.are_right(c))
