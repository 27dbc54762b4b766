"""Charts as inline SVG, by pure functions: the timeline of a run, and the strip of a province.

Colours come from the page's style sheet by class, so the same drawing serves light, dark and print. Texts are escaped
by ``markupsafe``. Coordinates are pixels of the view box, one decimal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.conduct import StepResult
from reports.drill_summary import step_state
from reports.facts import ERRORS, Facts, FaultLife, Timeline
from reports.summary import arrow, seconds, visible

LEFT, RIGHT, LANE, GLYPH = 54, 10, 19, 6.4
NARROWEST = 600
"""Below this width a panel's legend stands under its title, not beside it."""
DURATIONS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
NOTED = (
    "stop_fired",
    "worker_lost",
    "system_exited",
    "system_restarted",
    "interrupted",
    "lease_expired",
    "conductor_lost",
)
PHASE = Markup('<text class="phase" x="{x}" y="15" text-anchor="middle"><title>{full}</title>{name}</text>')
TICK = Markup('<text class="tick" x="{x}" y="{y}" text-anchor="{anchor}">{label}</text>')
GRID = Markup('<path class="grid" d="M{left} {y}H{right}"/>')

Points = Sequence[float | None]
Key = tuple[str, str, str]
"""An entry of a legend: its name, CSS class, and shape (``area`` or ``line``)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a panel lies, and how seconds and values become pixels.

    Attributes:
        width: Of the whole drawing.
        top: Of the panel.
        height: Of the panel.
        end: Seconds at the right edge.
        low: Value at the bottom.
        high: Value at the top.
        log: Whether the values' scale is logarithmic.
    """

    width: int
    top: float
    height: float
    end: float
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    @property
    def bottom(self) -> float:
        """The panel's lower edge."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The panel's right edge."""
        return self.width - RIGHT

    def x(self, t: float) -> float:
        """Return the pixel of ``t`` seconds, kept inside the panel."""
        return round(LEFT + (self.right - LEFT) * min(max(t / self.end, 0.0), 1.0), 1)

    def y(self, value: float) -> float:
        """Return the pixel of a value, kept inside the panel."""
        if self.log:
            span = math.log(self.high / self.low)
            part = math.log(max(value, self.low) / self.low) / span
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.bottom - self.height * min(max(part, 0.0), 1.0), 1)


@dataclass(frozen=True, slots=True)
class Lane:
    """Labelled bars above the panels: a fault, an alert, a person's step, or (from = until) a mishap.

    Attributes:
        label: What it says.
        bars: From, until: seconds, in the order of time; one at least.
        style: CSS class.
        shaded: Whether the panels below are shaded as well.
    """

    label: str
    bars: tuple[tuple[float, float], ...]
    style: str
    shaded: bool = True

    @property
    def since(self) -> float:
        """Where the first bar begins."""
        return self.bars[0][0]

    @property
    def until(self) -> float:
        """Where the last bar ends."""
        return self.bars[-1][1]


def timeline(facts: Facts, width: int) -> Markup:
    """Draw rates, errors and response times over one axis of seconds, with phases and faults.

    ``width`` is in pixels: 1000 for a page, 380 for a telephone; the names of the drawing end in it.
    """
    line = facts.timeline
    lanes = _lanes(facts)
    top = 24.0 + LANE * len(lanes)
    height, gap = (104.0, 34.0) if width > NARROWEST else (92.0, 62.0)
    frames = [Frame(width, top + gap + i * (height + gap), height, line.end) for i in range(4)]
    total = round(frames[-1].bottom + 40)
    body = [
        *_phases(facts, frames),
        _arrivals(frames[0], facts),
        _requests(frames[1], line),
        _errors(frames[2], line),
        _durations(frames[3], facts),
        _axis(frames),
        *_shades(lanes, frames),
        *(_lane(lane, 30 + LANE * i, frames[0]) for i, lane in enumerate(lanes)),
    ]
    return Markup(
        '<svg class="timeline" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
        'aria-labelledby="tl-{w} td-{w}"><title id="tl-{w}">Timeline of the run</title>'
        '<desc id="td-{w}">{desc}</desc>{body}</svg>'
    ).format(w=width, h=total, desc=describe(facts), body=Markup("").join(body))


def describe(facts: Facts) -> str:
    """Say in words what the timeline shows, for those who can't see it."""
    line = facts.timeline
    failed = sum(map(sum, line.errors.values())) * line.width
    slowest = max((value for value in line.p95 if value is not None), default=None)
    faults = "; ".join(f"{visible(lane.label)} from {lane.since:.0f} s to {lane.until:.0f} s" for lane in _lanes(facts))
    return (
        f"Over {line.end} seconds: at most {facts.peak} requests in one second, {failed:.0f} failed requests, "
        f"p95 response time at most {seconds(slowest)}. {faults or 'No faults'}."
    )


def _lanes(facts: Facts) -> list[Lane]:
    lanes = [_fault_lane(life) for life in facts.faults]
    lanes += [
        Lane(f"alert {alert.name}", tuple((span.start, span.stop) for span in alert.spans), "alert", shaded=False)
        for alert in facts.verdict.alerts
        if alert.spans
    ]
    lanes += [_step_lane(step, step.asked) for step in facts.verdict.steps if step.asked is not None]
    for event in facts.events:
        if event.name in NOTED and event.t is not None and 0 <= event.t <= facts.timeline.end:
            who = next((str(event.fields[key]) for key in ("system", "worker", "stop") if key in event.fields), "")
            lanes.append(Lane(f"{event.name.replace('_', ' ')} {who}".strip(), ((event.t, event.t),), "mishap"))
    return lanes[:24]


def _fault_lane(life: FaultLife) -> Lane:
    label = f"{life.fault.id}: {life.fault.kind}, {arrow(life.fault.target)}"
    if life.applied is None:
        return Lane(f"{label} (never applied)", ((life.fault.start, life.fault.end),), "planned")
    healed = life.fault.end if life.healed is None else life.healed
    return Lane(label, ((life.applied, healed),), "held")


def _step_lane(step: StepResult, asked: float) -> Lane:
    """Return the lane of a person's step, from asking to answer, or to the end of its time."""
    waited = step.timeout if step.seconds is None else step.seconds
    return Lane(f"step {step.id}: {step_state(step)}", ((asked, asked + waited),), "step", shaded=False)


def _shades(lanes: Iterable[Lane], frames: Sequence[Frame]) -> list[Markup]:
    shape = Markup('<rect class="shade {s}" x="{x}" y="{y}" width="{w}" height="{h}"/>')
    top, bottom, frame = frames[0].top, frames[-1].bottom, frames[0]
    return [
        shape.format(
            s=lane.style, x=frame.x(since), y=top, w=_width(frame, since, until, 1.0), h=round(bottom - top, 1)
        )
        for lane in lanes
        if lane.shaded
        for since, until in lane.bars
    ]


def _width(frame: Frame, since: float, until: float, least: float) -> float:
    return round(max(frame.x(until) - frame.x(since), least), 1)


def _lane(lane: Lane, y: float, frame: Frame) -> Markup:
    shape = Markup('<rect class="bar {s}" x="{x}" y="{y}" width="{w}" height="11" rx="1.5"/>')
    bars = [
        shape.format(s=lane.style, x=frame.x(since), y=y, w=_width(frame, since, until, 2.0))
        for since, until in lane.bars
    ]
    left, right = frame.x(lane.since), max(frame.x(lane.until), frame.x(lane.bars[-1][0]) + 2)
    rightward = frame.right - right >= left - LEFT
    label = _fit(visible(lane.label), (frame.right - right if rightward else left - LEFT) - 8)
    at, anchor = (right + 5, "start") if rightward else (left - 5, "end")
    return Markup(
        '<g><title>{full}</title>{bars}<text class="note" x="{at}" y="{base}" text-anchor="{anchor}">{label}</text></g>'
    ).format(
        full=visible(lane.label),
        bars=Markup("").join(bars),
        at=round(at, 1),
        base=y + 9.5,
        anchor=anchor,
        label=label,
    )


def _fit(label: str, room: float) -> str:
    most = max(int(room / GLYPH), 4)
    return label if len(label) <= most else label[: most - 1] + "…"


def _phases(facts: Facts, frames: Sequence[Frame]) -> list[Markup]:
    first, bottom = frames[0], frames[-1].bottom
    parts = []
    for start, end, phase in facts.plan.spans():
        left, right = first.x(start), first.x(end)
        if start > 0:
            parts.append(Markup('<path class="border" d="M{x} 4V{y}"/>').format(x=left, y=round(bottom, 1)))
        name = visible(phase.name)
        if len(name) * GLYPH < right - left - 6 or right - left > 36:
            parts.append(PHASE.format(x=round((left + right) / 2, 1), full=name, name=_fit(name, right - left - 4)))
    return parts


def _arrivals(frame: Frame, facts: Facts) -> Markup:
    line, curve = facts.timeline, list(facts.plan.points())
    frame, grid = _linear(frame, max([*line.offered, *(rate for _, rate in curve)]))
    planned = "".join(f"{'L' if i else 'M'}{frame.x(t)} {frame.y(rate)}" for i, (t, rate) in enumerate(curve))
    keys = [("due", "offered", "area"), ("planned", "planned-rate", "line"), ("started", "achieved", "line")]
    return Markup("").join(
        [
            grid,
            _head(frame, "Arrivals per second", keys),
            _path("offered", _steps(frame, line.width, line.offered, closed=True)),
            _path("achieved", _steps(frame, line.width, line.started)),
            _path("planned-rate", planned),
        ]
    )


def _requests(frame: Frame, line: Timeline) -> Markup:
    frame, grid = _linear(frame, max(line.requests))
    keys = [("due", "offered", "area"), ("succeeded", "achieved", "line")]
    return Markup("").join(
        [
            grid,
            _head(frame, "Requests per second", keys),
            _path("offered", _steps(frame, line.width, line.requests, closed=True)),
            _path("achieved", _steps(frame, line.width, line.succeeded)),
        ]
    )


def _errors(frame: Frame, line: Timeline) -> Markup:
    stacked: list[tuple[str, list[float]]] = []
    height = [0.0] * len(line.requests)
    for outcome in ERRORS:
        if outcome in line.errors:
            height = [below + more for below, more in zip(height, line.errors[outcome], strict=True)]
            stacked.append((outcome, height))
    frame, grid = _linear(frame, max(height))
    areas = [_path(f"e-{outcome}", _steps(frame, line.width, tops, closed=True)) for outcome, tops in reversed(stacked)]
    legend = [(outcome.replace("_", " "), f"e-{outcome}", "area") for outcome, _ in stacked]
    none = Markup('<text class="none" x="{x}" y="{y}">none</text>').format(x=LEFT + 8, y=frame.bottom - 8)
    return Markup("").join(
        [
            grid if stacked else _grid(frame, [0.0], lambda _: "0"),
            _head(frame, "Failed requests per second", legend),
            *(areas or [none if any(line.requests) else Markup("")]),
        ]
    )


def _durations(frame: Frame, facts: Facts) -> Markup:
    line = facts.timeline
    values = [value for value in (*line.p50, *line.p95) if value and value < math.inf]
    low = 10.0 ** math.floor(math.log10(min([*values, 0.01])))
    high = 10.0 ** math.ceil(math.log10(max([*values, 1.0]) * 1.0001))
    frame = Frame(frame.width, frame.top, frame.height, frame.end, low, high, log=True)
    decades = [low * 10**i for i in range(round(math.log10(high / low)) + 1)]
    limits = {o.target for o in facts.plan.objectives if o.indicator == "response_time" and low < o.target < high}
    return Markup("").join(
        [
            _grid(frame, decades, _plain),
            _head(frame, "Response time (log scale)", [("p50", "p50", "line"), ("p95", "p95", "line")]),
            *(_limit(frame, value) for value in sorted(limits)),
            _path("p50", _line(frame, line.width, line.p50)),
            _path("p95", _line(frame, line.width, line.p95)),
        ]
    )


def _plain(value: float) -> str:
    return f"{value:g} s" if value >= 0.1 else f"{value * 1e3:g} ms"


def _limit(frame: Frame, value: float) -> Markup:
    return Markup(
        '<path class="limit" d="M{left} {y}H{right}"/><text class="note" x="{right}" y="{base}" text-anchor="end">'
        "objective {label}</text>"
    ).format(left=LEFT, right=frame.right, y=frame.y(value), base=frame.y(value) - 4, label=_plain(value))


def _linear(frame: Frame, most: float) -> tuple[Frame, Markup]:
    """Return the frame with a scale from 0 to at least ``most``, and the grid of that scale."""
    step = nice(most / 3) if most > 0 else 1.0
    count = max(math.ceil(most / step), 1)
    scaled = Frame(frame.width, frame.top, frame.height, frame.end, 0.0, step * count)
    return scaled, _grid(scaled, [step * i for i in range(count + 1)], lambda value: f"{value:,g}")


def nice(value: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that isn't below ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value * 0.999999)


def _grid(frame: Frame, ticks: Iterable[float], label: Callable[[float], str]) -> Markup:
    return Markup("").join(
        GRID.format(left=LEFT, right=frame.right, y=frame.y(value))
        + TICK.format(x=LEFT - 6, y=round(frame.y(value) + 3.8, 1), anchor="end", label=label(value))
        for value in ticks
    )


def _head(frame: Frame, title: str, legend: Sequence[Key]) -> Markup:
    rows = _rows(legend, frame.right - LEFT) if frame.width <= NARROWEST else []
    if not rows:
        return _words(frame.top - 9, title) + _keys(legend, frame.right - sum(map(_wide, legend)), frame.top - 9)
    lowest = frame.top - 9
    keys = [_keys(row, LEFT, lowest - 14 * (len(rows) - 1 - i)) for i, row in enumerate(rows)]
    return _words(lowest - 15 * len(rows), title) + Markup("").join(keys)


def _words(y: float, title: str) -> Markup:
    return Markup('<text class="head" x="{x}" y="{y}">{title}</text>').format(x=LEFT, y=round(y, 1), title=title)


def _wide(key: Key) -> float:
    return len(key[0]) * GLYPH + 28


def _rows(legend: Sequence[Key], room: float) -> list[list[Key]]:
    rows: list[list[Key]] = []
    for key in legend:
        if not rows or sum(map(_wide, [*rows[-1], key])) > room:
            rows.append([])
        rows[-1].append(key)
    return rows


def _keys(legend: Sequence[Key], x: float, y: float) -> Markup:
    parts = []
    for name, style, shape in legend:
        parts.append(_swatch(style, shape, x, y))
        parts.append(
            Markup('<text class="note" x="{x}" y="{y}">{name}</text>').format(
                x=round(x + 18, 1), y=round(y, 1), name=name
            )
        )
        x += _wide((name, style, shape))
    return Markup("").join(parts)


def _swatch(style: str, shape: str, x: float, y: float) -> Markup:
    drawn = f"M{x:.1f} {y - 8:.1f}h13v8h-13z" if shape == "area" else f"M{x:.1f} {y - 4:.1f}h13"
    return _path(style, drawn)


def _path(style: str, drawn: str) -> Markup:
    return Markup('<path class="{style}" d="{d}"/>').format(style=style, d=drawn) if drawn else Markup("")


def _steps(frame: Frame, width: int, values: Points, *, closed: bool = False) -> str:
    """Return a staircase over slices of ``width`` seconds; closed, the area below it."""
    if not any(values):
        return ""
    drawn = [f"M{frame.x(0)} {frame.y(0)}"] if closed else []
    last = math.nan
    for i, value in enumerate(values):
        y = frame.y(value or 0.0)
        if y != last:
            drawn.append(f"H{frame.x(i * width)}V{y}" if drawn else f"M{frame.x(0)} {y}")
            last = y
    drawn.append(f"H{frame.x(len(values) * width)}")
    return "".join(drawn) + (f"V{frame.y(0)}Z" if closed else "")


def _line(frame: Frame, width: int, values: Points) -> str:
    """Return a line through the middles of the slices, interrupted where there is no value."""
    drawn, pen = [], "M"
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{frame.x((i + 0.5) * width)} {frame.y(value)}" + ("h.1" if pen == "M" else ""))
        pen = "L"
    return "".join(drawn)


def _axis(frames: Sequence[Frame]) -> Markup:
    frame = frames[-1]
    most = 10 if frame.width > NARROWEST else 5
    step = next((d for d in DURATIONS if frame.end / d <= most), DURATIONS[-1])
    parts = []
    for t in range(0, math.floor(frame.end) + 1, step):
        parts.append(Markup('<path class="stroke" d="M{x} {y}v4"/>').format(x=frame.x(t), y=frame.bottom))
        parts.append(TICK.format(x=frame.x(t), y=frame.bottom + 17, anchor="middle", label=clock(t, frame.end)))
    unit = "seconds" if frame.end <= 180 else "minutes:seconds" if frame.end <= 7200 else "hours:minutes"
    note = f"{unit} since the load began"
    return Markup("").join([*parts, TICK.format(x=frame.right, y=frame.bottom + 33, anchor="end", label=note)])


def clock(t: int, end: float) -> str:
    """Write a tick of the time axis: seconds, minutes:seconds or hours:minutes, as the axis is long."""
    if end <= 180:
        return str(t)
    return f"{t // 60}:{t % 60:02d}" if end <= 7200 else f"{t // 3600}:{t % 3600 // 60:02d}"


def strip(shares: Points, label: str) -> Markup:
    """Draw a province's failing share over the run as bars on a line; without requests there is no line."""
    known = f"M0 15.5h{2 * len(shares)}" if any(value is not None for value in shares) else ""
    heights = {i: max(value * 14, 1.5) for i, value in enumerate(shares) if value}
    bars = "".join(f"M{2 * i} 15v-{height:.1f}h2v{height:.1f}z" for i, height in heights.items())
    return _inline(2 * len(shares), label, _path("known", known) + _path("failing", bars))


def spark(values: Points, label: str) -> Markup:
    """Draw a quantity over the run as a line above zero, up to the most that it was, from each look to the next."""
    looks = [(i, value) for i, value in enumerate(values) if value is not None]
    most = max((value for _, value in looks), default=0.0) or 1.0
    drawn = "L".join(f"{2 * i + 1} {15 - 13 * value / most:.1f}" for i, value in looks)
    width = 2 * len(values)
    return _inline(width, label, _path("known", f"M0 15.5h{width}") + _path("p50", f"M{drawn}h.1" if looks else ""))


def _inline(width: int, label: str, drawn: Markup) -> Markup:
    return Markup(
        '<svg class="strip" viewBox="0 0 {w} 16" width="{w}" height="16" role="img" aria-label="{label}">{drawn}</svg>'
    ).format(w=width, label=label, drawn=drawn)


def strip_label(shares: Points, end: int) -> str:
    """Say in words what the strip shows."""
    worst: Mapping[int, float] = {i: value for i, value in enumerate(shares) if value}
    if not worst:
        return "no failures" if any(value is not None for value in shares) else "no requests"
    at = max(worst, key=lambda i: (worst[i], -i))
    return f"at worst {worst[at]:.0%} failing, at {at * end // len(shares)} s"
