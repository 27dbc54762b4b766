"""What makes a drill of a campaign: refused in one line where it makes no sense."""

from pathlib import Path

import pytest

from model import blast
from model.campaign import load
from tests.model.test_campaign import GOOD, KNOWN, error_of, written

LAST = GOOD.count("\n") + 1
BURN = 'indicator = "burn_rate"\nlimit = 2'


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "[blast_radius]\nprotected = ['province:79->*']",
            "c.toml:24: faults.cut-79: breaks province:79->national, which is protected; "
            "break another, or unprotect it",
        ),
        (
            "[blast_radius]\nprotected = ['national']",
            "c.toml:24: faults.cut-79: breaks province:79->national, which is protected; "
            "break another, or unprotect it",
        ),
        (
            "[blast_radius]\nprotected = ['nationl']",
            f'c.toml:{LAST + 1}: blast_radius.protected.0: nothing is like "nationl"; name links or systems',
        ),
        (
            "[blast_radius]\nprovinces = 0",
            "c.toml:24: faults.cut-79: breaks 1 provinces at once, 0 allowed; "
            "break less, at another time, or widen blast_radius",
        ),
        (
            "[blast_radius]\ncitizens = 0.5",
            "c.toml:24: faults.cut-79: breaks 80.3% of the citizens at once, 50.0% allowed; "
            "break less, at another time, or widen blast_radius",
        ),
        (
            "[[stops]]\nname = 'x'\nindicator = 'error_ratio'\nlimit = 1",
            f"c.toml:{LAST + 3}: stops.x.limit: a share is never above 1; give a number below 1",
        ),
        (
            f"[[stops]]\nname = 'x'\n{BURN}",
            f"c.toml:{LAST}: stops.x.objective: is missing: a burn rate needs an availability objective; name one",
        ),
        (
            f"[[stops]]\nname = 'x'\n{BURN}\nobjective = 'fast'",
            f'c.toml:{LAST + 4}: stops.x.objective: unknown availability objective "fast"; known: served',
        ),
        (
            "[cutover]\nat = 30",
            f"c.toml:{LAST + 1}: cutover.at: is at 30 s, the timeline ends at 30 s; set it earlier",
        ),
        (
            "[cutover]\nat = -1",
            f"c.toml:{LAST + 1}: cutover.at: -1 isn't allowed; give a number of at least 0",
        ),
        (
            "[cutover]\nat = 5\n[[faults]]\nid = 'e'\nkind = 'early-closure'\n"
            "system = 'province:79'\nstart = 3\nduration = 3",
            f"c.toml:{LAST + 7}: faults.e.duration: lasts until 6 s, and T_cutover is at 5 s; "
            "end it before T_cutover: it couldn't be seen to heal",
        ),
        (
            "[[steps]]\nid = 's'\ntext = 't'\nat = 29\ntimeout = 2",
            f"c.toml:{LAST + 4}: steps.s.timeout: may be answered until 31 s, the timeline ends at 30 s; "
            "ask earlier, shorten it or lengthen a phase",
        ),
        (
            "[[steps]]\nid = 's'\ntext = 't'\nat = 2\ntimeout = 2\nguards = ['cut-79']",
            f"c.toml:{LAST + 5}: steps.s.guards: only a decision guards faults; add decision = true",
        ),
        (
            "[[steps]]\nid = 's'\ntext = 't'\nat = 2\ntimeout = 4\ndecision = true\nguards = ['cut-79']",
            f"c.toml:{LAST + 4}: steps.s.timeout: may be decided until 6 s, cut-79 starts at 5 s; "
            "ask earlier, or start the fault later",
        ),
        (
            "[[alerts]]\nname = 'a'\nobjective = 'served'\nexpected = ['cut-97']",
            f'c.toml:{LAST + 3}: alerts.a.expected.0: unknown fault "cut-97"; did you mean "cut-79"?',
        ),
        (
            "[[alerts]]\nname = 'a'\nobjective = 'served'\nburn_rate = 1000",
            f"c.toml:{LAST + 3}: alerts.a.burn_rate: fires above 100% of failed requests: never; "
            "lower it, or raise the objective's target",
        ),
        (
            "[[alerts]]\nname = 'a'\nobjective = 'served'\nshort_window = 99",
            f"c.toml:{LAST + 3}: alerts.a.short_window: is longer than long_window; shorten it",
        ),
        (
            "[weaknesses]\ndrop-snc = ['served']",
            f'c.toml:{LAST + 1}: weaknesses.drop-snc: unknown defect "drop-snc"; did you mean "drop-sync"?',
        ),
        (
            "[weaknesses]\ndrop-sync = ['serve']",
            f'c.toml:{LAST + 1}: weaknesses.drop-sync.0: unknown check "serve"; did you mean "served"?',
        ),
        (
            "[weaknesses]\ndrop-sync = []",
            f"c.toml:{LAST + 1}: weaknesses.drop-sync: is empty; give at least 1",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path, more: str, message: str) -> None:
    assert error_of(written(tmp_path, f"{GOOD}{more}\n")) == message


def test_faults_after_one_another_break_less_than_at_once(tmp_path: Path) -> None:
    one_at_a_time = GOOD + "[blast_radius]\nprovinces = 1\n"
    plan = load(written(tmp_path, one_at_a_time), KNOWN)
    assert blast.excess(plan, plan.faults) == "2 provinces at once, 1 allowed"
    assert error_of(written(tmp_path, one_at_a_time), "faults.kill-01.start=8").startswith(
        "c.toml:31: faults.kill-01: breaks 2 provinces at once, 1 allowed"
    )


def test_what_all_provinces_share_touches_all_of_them(tmp_path: Path) -> None:
    plan = load(written(tmp_path, GOOD.replace("province:79->national", "citizen->national")), KNOWN)
    assert blast.provinces_hurt(plan, plan.faults[:1]) == {"01", "79"}
    assert blast.citizens_hurt(plan, {"01", "79"}) == pytest.approx(1)


@pytest.mark.parametrize(
    ("region", "targets"),
    [("southeast", ("province:79->national",)), ("red-river-delta", ("province:01->national",))],
)
def test_a_region_is_a_scope(tmp_path: Path, region: str, targets: tuple[str, ...]) -> None:
    text = GOOD.replace('link = "province:79->national"', f'link = "province:*->national"\nregions = ["{region}"]')
    assert load(written(tmp_path, text), KNOWN).faults[0].targets == targets


def test_an_unknown_region_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace('link = "province:79->national"', 'link = "province:*->national"\nregions = ["south"]')
    assert error_of(written(tmp_path, text)).startswith('c.toml:28: faults.cut-79.regions.0: unknown region "south"; ')


def test_platforms_have_links(tmp_path: Path) -> None:
    text = GOOD.replace('provinces = ["01", "79"]', 'provinces = ["01", "79"]\nplatforms = ["axis"]', 1)
    plan = load(written(tmp_path, text), KNOWN)
    assert "axis" in plan.systems
    assert {"citizen->axis", "province:01->axis", "province:79->axis"} <= {link.name for link in plan.links}
