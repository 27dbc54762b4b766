"""What the comparison of the two Toxiproxy servers says about figures that were measured."""

from typing import Any

import pytest

from benchmarks.relay import markdown, off, reached, share_of_real


def found(rate: float, p99: float) -> dict[str, Any]:
    """Return figures of a run: the embedded server's rate (the real one's is 1,000/s), its p99 under 100 ms."""
    quantiles = {"p50": 100.0, "p99": p99, "p99.9": 110.0}
    rates = {"direct": 4000.0, "real": 1000.0, "embedded": rate}
    return {
        "versions": "Measured.",
        "relayed": {kind: {"rate": value, "cpu": 10.0} for kind, value in rates.items()},
        "exact": {
            "0": dict.fromkeys(rates, quantiles),
            "100": {"real": {**quantiles, "p99": 101.5}, "embedded": quantiles},
        },
    }


@pytest.mark.parametrize(
    ("rate", "p99", "is_reached"),
    [(500.0, 102.0, True), (499.0, 102.0, False), (500.0, 102.1, False), (500.0, 97.9, False)],
)
def test_both_targets_must_be_reached(rate: float, p99: float, is_reached: bool) -> None:
    """Half of the real one's requests/s, and a p99 within 2 ms, early or late."""
    assert reached(found(rate, p99)) is is_reached


def test_the_table_shows_the_share_and_what_the_p99_is_off_by() -> None:
    """Direct has no figures under latency: it has no proxy."""
    figures = found(1200.0, 98.75)
    assert share_of_real(figures) == 1.2
    assert off(figures, "embedded") == 1.25
    text = markdown(figures)
    assert "embedded / real requests/s: 1.20 (target: at least 0.5)" in text
    assert "embedded off by 1.25 ms, real by 1.50 ms" in text
    assert "| 100 ms at 500 requests/s: p99, ms |  | 101.50 | 98.75 |" in text
