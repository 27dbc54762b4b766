"""Platforms and their lines; journeys whose platform isn't there."""

from pathlib import Path

import pytest

from model.campaign import CampaignError, load
from model.checks import Known
from model.links import PLATFORM_DIALS, PLATFORM_USERS, PLATFORMS, links, systems
from tests.model.test_campaign import GOOD, KNOWN, written

NEEDY = Known(KNOWN.journeys, KNOWN.operations, KNOWN.defects, KNOWN.check_fault, {"track": "axis"})


def names(*platforms: str) -> set[str]:
    return {link.name for link in links(("01",), platforms)} - {link.name for link in links(("01",))}


def test_each_platform_brings_its_own_lines() -> None:
    assert set(PLATFORM_USERS) == set(PLATFORMS)
    assert set(PLATFORM_DIALS) <= set(PLATFORMS)
    assert names("specialised") == {"national->specialised", "province:01->specialised"}
    assert names("axis") == {"citizen->axis", "province:01->axis"}
    assert names("hotline") == {"citizen->hotline", "province:01->hotline"}
    assert names("ioc") == {"citizen->ioc", "ioc->national", "ioc->province:01"}
    assert names("reporting", "tasks") == {"citizen->reporting", "citizen->tasks"}


def test_every_line_leads_between_systems_of_the_stack() -> None:
    there = {"citizen", *systems(("01", "79"), PLATFORMS)}
    found = links(("01", "79"), PLATFORMS)
    assert {end for link in found for end in (link.source, link.target)} <= there
    assert len({link.name for link in found}) == len(found)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(CampaignError) as caught:
        load(written(tmp_path, text), NEEDY)
    return str(caught.value).rpartition("c.toml:")[2]


def test_a_journey_without_its_platform_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, GOOD)
    assert said.endswith('load.journeys.track: needs the platform "axis"; add it to stack.platforms')


def test_complaints_need_the_hotline(tmp_path: Path) -> None:
    text = GOOD.replace("scale = 2", "complaints = 0.5").replace("track = 1\n", "")
    assert refused(tmp_path, text).endswith('load.complaints: needs the platform "hotline"; add it to stack.platforms')
