"""Every arrival has one owner, whoever comes and goes."""

from hypothesis import given
from hypothesis import strategies as st

from scenarios.shares import SLOTS, Division, Shares

WORKERS = st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True).map(tuple)


@given(WORKERS, st.integers(0, 10**9))
def test_one_of_the_workers_owns_an_arrival(workers: tuple[int, ...], number: int) -> None:
    """The owner is one of those among whom the schedule is divided."""
    assert Division(0.0, workers).owner(number) in workers


@given(st.integers(1, 12).filter(lambda count: SLOTS % count == 0))
def test_shares_are_equal(count: int) -> None:
    """Each of the workers owns as many slots."""
    division = Division(0.0, tuple(range(count)))
    owners = [division.owner(slot) for slot in range(SLOTS)]
    assert {owners.count(worker) for worker in range(count)} == {SLOTS // count}


def test_the_division_at_the_due_time_decides() -> None:
    """A new division doesn't touch arrivals that are due before it begins."""
    shares = Shares([Division(float("-inf"), (0, 1)), Division(10.0, (0,))])
    assert [shares.owner(1, due) for due in (9.9, 10.0)] == [1, 0]


def test_nobody_owns_anything_when_nobody_is_left() -> None:
    """A division among none, or none at all, gives no owner."""
    assert Shares().owner(1, 5.0) is None
    assert Shares([Division(0.0, ())]).owner(1, 5.0) is None


@given(st.lists(st.tuples(st.floats(0, 100), WORKERS), max_size=6), st.integers(0, 1000), st.floats(0, 100))
def test_all_workers_agree_on_the_owner(told: list[tuple[float, tuple[int, ...]]], number: int, due: float) -> None:
    """Whoever has heard the same divisions names the same owner."""
    divisions = [Division(start, workers) for start, workers in told]
    assert Shares(divisions).owner(number, due) == Shares(list(divisions)).owner(number, due)
