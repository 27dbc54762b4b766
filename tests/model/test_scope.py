"""Patterns, provinces, shares and controls become the names of links and systems."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.campaign import load
from model.links import matching
from model.plan import Plan, decode, encode
from tests.model.test_campaign import GOOD, KNOWN, error_of

CODES = ("01", "31", "46", "48", "79", "92")
HEAD = GOOD.partition("[[faults]]")[0].replace('["01", "79"]', str(list(CODES)).replace("'", '"'))


def written(tmp_path: Path, *faults: str, head: str = "") -> Path:
    lines = [f'[[faults]]\nid = "f{n}"\nstart = {10 + n}\nduration = 1\n{text}\n' for n, text in enumerate(faults)]
    path = tmp_path / "c.toml"
    path.write_text(head + HEAD + "".join(lines), encoding="utf-8")
    return path


def plan(tmp_path: Path, *faults: str, head: str = "", **options: Any) -> Plan:
    return load(written(tmp_path, *faults, head=head), KNOWN, **options)


@pytest.mark.parametrize(
    ("fault", "targets"),
    [
        ('kind = "down"\nlink = "province:79->national"', ("province:79->national",)),
        ('kind = "down"\nlink = "province:*->national"', tuple(f"province:{code}->national" for code in CODES)),
        ('kind = "down"\nlink = "*->province:79"', ("citizen->province:79", "national->province:79")),
        (
            'kind = "down"\nlinks = ["national->province:79", "province:79->*"]',
            ("national->province:79", *(f"province:79->{name}" for name in ("national", "population", "vneid"))),
        ),
        (
            'kind = "down"\nlink = "citizen->*"\nprovinces = ["48", "01"]',
            ("citizen->province:01", "citizen->province:48"),
        ),
        ('kind = "kill"\nsystem = "province:*"\nprovinces = ["46"]', ("province:46",)),
        ('kind = "kill"\nsystems = ["vneid", "province:01"]', ("vneid", "province:01")),
    ],
)
def test_a_scope_names_what_it_breaks(tmp_path: Path, fault: str, targets: tuple[str, ...]) -> None:
    """In the order of the stack, each once, and written down in plan.json."""
    made = plan(tmp_path, fault)
    assert made.faults[0].targets == targets
    assert decode(encode(made)).faults[0].targets == targets


def test_a_share_is_drawn_by_the_seed(tmp_path: Path) -> None:
    """The same seed draws the same provinces; all links of a province share its fate."""
    fault = 'kind = "down"\nlinks = ["province:*->national", "national->province:*"]\nshare = 0.5'
    draws = [plan(tmp_path, fault, seed=seed).faults[0].targets for seed in (1, 1, *range(2, 12))]
    assert draws[0] == draws[1]
    assert len(set(draws)) > 5
    for targets in draws:
        assert len(targets) == 6
        assert len({name for target in targets for name in target.split("->")} - {"national"}) == 3


def test_a_small_share_strikes_one_province_at_least(tmp_path: Path) -> None:
    assert len(plan(tmp_path, 'kind = "kill"\nsystem = "province:*"\nshare = 0.01').faults[0].targets) == 1


def test_control_provinces_are_passed_over(tmp_path: Path) -> None:
    made = plan(tmp_path, 'kind = "down"\nlink = "province:*->national"', head='control = ["01", "79"]\n')
    assert made.faults[0].targets == tuple(f"province:{code}->national" for code in ("31", "46", "48", "92"))
    assert made.faults[0].target == "province:*->national (4)"


@pytest.mark.parametrize(
    ("fault", "head", "message"),
    [
        ('kind = "down"\nlink = "province:x*->national"', "", 'link: no link is like "province:x*->national"'),
        ('kind = "down"\nlink = "province:*"', "", 'link: no link is like "province:*"'),
        ('kind = "down"\nlinks = ["*->*", "a->b"]', "", 'links.1: unknown link "a->b"'),
        ('kind = "down"\nlink = "*->*"\nlinks = ["*->*"]', "", "links: there is a link as well; give one of the two"),
        ('kind = "down"\nsystems = ["vneid"]', "", "systems: a fault of kind down breaks no system; give a link"),
        ('kind = "down"\nlink = "*->*"\nshare = 0', "", "share: 0 isn't allowed; give a number above 0"),
        ('kind = "down"\nlink = "*->*"\nprovinces = ["02"]', "", 'provinces.0: unknown province "02"'),
        ('kind = "down"\nlink = "*->vneid"\nprovinces = ["01"]\nshare = 1', 'control = ["01"]\n', "link: breaks"),
        ('kind = "down"\nlink = "citizen->national"\nshare = 1', "", "share: leaves nothing to break"),
        (
            'kind = "down"\nlink = "*->province:79"',
            'control = ["79"]\n',
            "link: breaks province 79, which is a control",
        ),
        (
            'kind = "down"\nlink = "citizen->national"',
            'control = ["79"]\n',
            "link: breaks citizen->national, which control provinces share; leave out control, or break less",
        ),
        ('kind = "kill"\nsystem = "province:*"', 'control = ["02"]\n', 'control.0: unknown province "02"'),
        ('kind = "kill"\nsystem = "vneid"\nresolved = ["vneid"]', "", "resolved: is filled in; leave it out"),
    ],
)
def test_a_scope_that_makes_no_sense_is_one_line(tmp_path: Path, fault: str, head: str, message: str) -> None:
    assert message in error_of(written(tmp_path, fault, head=head))


def test_faults_overlap_where_they_break_the_same_link(tmp_path: Path) -> None:
    """Whatever their patterns; those that share no link may go on at the same time."""
    one = 'kind = "down"\nlink = "province:*->national"\nprovinces = ["01"]\nduration = 3'.replace("\nduration = 3", "")
    path = written(tmp_path, one, 'kind = "down"\nlink = "province:01->*"\n')
    path.write_text(path.read_text(encoding="utf-8").replace("start = 11", "start = 10.5"), encoding="utf-8")
    assert 'faults.f1.start: overlaps fault "f0" on province:01->national; start it at 11 s' in error_of(path)
    path.write_text(path.read_text(encoding="utf-8").replace("province:01->*", "province:31->*"), encoding="utf-8")
    assert len(load(path, KNOWN).faults) == 2


NAMES = st.text("ab:01", min_size=1, max_size=6)


@given(NAMES, NAMES, st.integers(0, 5), st.integers(0, 6))
def test_a_pattern_matches_whatever_its_star_replaced(source: str, target: str, start: int, stop: int) -> None:
    """A star never crosses the arrow."""
    cut = source[: min(start, stop)] + "*" + source[max(start, stop) :]
    link = f"{source}->{target}"
    assert matching(f"{cut}->{target}", [link]) == (link,)
    assert matching("*", [link]) == ()
    assert matching("*->*", [link, source]) == (link,)
