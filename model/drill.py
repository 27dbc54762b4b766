"""What makes a drill of a campaign: why it is held, what it may break, who acts, when it is stopped, who is alerted.

Times are seconds from t0, durations seconds, as in ``model.plan``.
"""

from typing import Annotated, Literal

import msgspec

from model.values import Name, NotNegative, Positive, Share, Text, Value

StopIndicator = Literal["error_ratio", "interruption", "burn_rate", "integrity"]


class Drill(Value, frozen=True, kw_only=True):
    """Why the drill is held, and what people do when it happens in earnest.

    Attributes:
        id: ``F1``, ``F2``, …; of a load that looks for defects as well, ``L1``, …
        source: The sentence of the sources that it answers, with its tag.
        question: What it asks of the systems.
        expects: What is expected of them, one sentence each; the objectives hold the numbers.
        runbook: What operators do, step by step; the report shows it.
    """

    id: Name
    source: Text
    question: Text
    expects: tuple[Text, ...] = ()
    runbook: Text


class BlastRadius(Value, frozen=True, kw_only=True):
    """The most that a campaign may break at once.

    Attributes:
        provinces: Provinces that faults may touch at a time; None: any number.
        citizens: Share of the citizens, by the traffic's weights, whom faults may touch at a time.
        protected: Links and systems, or patterns of them, that no fault may touch.
    """

    provinces: Annotated[int, msgspec.Meta(ge=0)] | None = None
    citizens: Share = 1.0
    protected: tuple[Text, ...] = ()


class SteadyState(Value, frozen=True, kw_only=True):
    """What must hold just before the first fault; where it doesn't, nothing is broken and the run is inconclusive.

    Attributes:
        window: Seconds before the first fault that are looked at.
        availability: Share of the requests that must have succeeded.
        response_p95: Seconds within which 95 % of the requests must have been answered.
        samples: Requests that it takes to tell.
    """

    window: Positive = 10.0
    availability: Share = 0.95
    response_p95: Positive = 5.0
    samples: Annotated[int, msgspec.Meta(ge=1)] = 20


class Stop(Value, frozen=True, kw_only=True):
    """A condition that ends every fault at once; the run goes on to recovery and audit.

    Attributes:
        name: Unique in the campaign.
        indicator: ``error_ratio`` (share of failed requests), ``interruption`` (seconds in which arrivals of the scope
            failed and none succeeded), ``burn_rate`` (multiple of an objective's error budget), ``integrity``
            (acknowledged writes that a look-up doesn't find).
        limit: It fires above this.
        window: Seconds that ``error_ratio`` and ``burn_rate`` look back.
        samples: Requests in the window that it takes to fire.
        objective: For ``burn_rate``: the availability objective whose budget burns.
        scope: ``province`` watches each province by itself, ``nation`` all together.
    """

    name: Name
    indicator: StopIndicator
    limit: NotNegative
    window: Positive = 10.0
    samples: Annotated[int, msgspec.Meta(ge=1)] = 20
    objective: str | None = None
    scope: Literal["province", "nation"] = "nation"


class OperatorStep(Value, frozen=True, kw_only=True):
    """Something that a person does on the run's clock, and acknowledges.

    Attributes:
        id: Unique in the campaign.
        text: What to do: ``announce the outage on the hotline``.
        at: Seconds from t0 at which it is asked for.
        timeout: Seconds in which it must be acknowledged.
        decision: Whether it asks "go or no-go" instead of for a deed; silence means no-go.
        guards: Of a decision: faults that are only applied after "go"; "no-go" also heals those that are on.
    """

    id: Name
    text: Text
    at: NotNegative
    timeout: Positive = 60.0
    decision: bool = False
    guards: tuple[str, ...] = ()


class Alert(Value, frozen=True, kw_only=True):
    """A multi-window burn-rate alert on an availability objective.

    It fires at a second in which the share of failed requests, over both windows, is above ``burn_rate`` times the
    objective's error budget (1 - target); with ``burn_rate`` 14.4 a budget of 30 days is gone in 50 hours.

    Attributes:
        name: Unique in the campaign.
        objective: The objective's name.
        burn_rate: Multiple of the error budget.
        long_window: Seconds.
        short_window: Seconds.
        expected: Faults that must make it fire.
        within: Seconds from the fault's beginning in which it must.
    """

    name: Name
    objective: str
    burn_rate: Positive = 14.4
    long_window: Positive = 15.0
    short_window: Positive = 3.0
    expected: tuple[str, ...] = ()
    within: Positive = 15.0
