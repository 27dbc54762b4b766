"""What a dashboard of the operation centre must show."""

import pytest

from scenarios.figures import OLDEST, Figures

PROVINCES = ("01", "79")


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def dashboard(taken: float = 1.0, silent: tuple[str, ...] = (), **provinces: int) -> dict[str, object]:
    return {"taken": taken, "provinces": {code[1:]: n for code, n in provinces.items()}, "silent": list(silent)}


@pytest.mark.parametrize(
    ("shown", "right"),
    [
        (dashboard(p01=0, p79=0), True),
        (dashboard(p01=3), False),
        (dashboard(silent=("79",), p01=3), False),
        (dashboard(silent=PROVINCES), False),
        (dashboard(), False),
    ],
)
def test_every_province_is_shown(shown: dict[str, object], right: bool) -> None:
    assert Figures(PROVINCES).are_right(shown) is right


def test_nothing_shown_is_wrong_even_where_no_province_is_known() -> None:
    assert not Figures().are_right(dashboard())


def test_what_was_registered_a_while_ago_must_be_shown() -> None:
    """Figures may be so old, and no older."""
    clock = Clock()
    figures = Figures(PROVINCES, clock)
    figures.register("01")
    clock.now += OLDEST / 2
    figures.register("01")
    assert figures.are_right(dashboard(1.0, p01=0, p79=0))
    clock.now += OLDEST / 2
    assert not figures.are_right(dashboard(2.0, p01=0, p79=0))
    assert figures.are_right(dashboard(3.0, p01=1, p79=0))
    clock.now += OLDEST
    assert not figures.are_right(dashboard(4.0, p01=1, p79=0))


def test_a_province_that_nobody_named_counts_from_its_first_dossier_on() -> None:
    clock = Clock()
    figures = Figures((), clock)
    figures.register("31")
    clock.now += OLDEST
    assert not figures.are_right(dashboard(p01=1))
    assert figures.are_right(dashboard(p01=1, p31=1))


def test_figures_never_go_back() -> None:
    """An answer that another one has overtaken is compared with what was taken before it alone."""
    figures = Figures(PROVINCES)
    assert figures.are_right(dashboard(1.0, p01=5, p79=5))
    assert figures.are_right(dashboard(3.0, p01=7, p79=5))
    assert figures.are_right(dashboard(2.0, p01=6, p79=5))
    assert not figures.are_right(dashboard(4.0, p01=6, p79=5))
