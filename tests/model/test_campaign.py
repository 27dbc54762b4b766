import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.campaign import CampaignError, Known, load, shipped
from model.plan import Fault, Plan, decode, encode

GOOD = """\
name = "morning"
seed = 7

[stack]
provinces = ["01", "79"]

[load]
scale = 2
[load.journeys]
submit-online = 3
track = 1

[[phases]]
name = "base"
duration = 20
rate = 5

[[phases]]
name = "surge"
duration = 10
rate = 5
to = 50.5

[[faults]]
id = "cut-79"
kind = "down"
link = "province:79->national"
start = 5
duration = 5

[[faults]]
id = "kill-01"
kind = "kill"
system = "province:01"
start = 12
duration = 2

[[objectives]]
name = "served"
indicator = "availability"
target = 0.999
provenance = "[A]"
phases = ["surge"]
provinces = ["01"]
operations = ["national.submit"]

[[objectives]]
name = "fast"
indicator = "response_time"
quantile = 0.95
target = 2
provenance = "[P]"
"""


def check_fault(fault: Fault) -> list[str]:
    return [f"{fault.kind} has no attribute {name}" for name in fault.attributes if name != "latency"]


KNOWN = Known(
    journeys=frozenset({"submit-online", "track"}),
    operations=frozenset({"national.submit", "province.intake"}),
    defects=frozenset({"drop-sync", "collapse-status"}),
    check_fault=check_fault,
)


def written(tmp_path: Path, text: str = GOOD) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    return path


def error_of(path: Path | str, *changes: str, **options: Any) -> str:
    with pytest.raises(CampaignError) as caught:
        load(path, KNOWN, changes, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message if Path(path).parent == Path("/dev") else message.replace(f"{Path(path).parent}{os.sep}", "")


def test_a_campaign_file_becomes_a_plan(tmp_path: Path) -> None:
    plan = load(written(tmp_path), KNOWN)
    assert (plan.name, plan.seed, plan.duration, plan.load.scale) == ("morning", 7, 30.0, 2.0)
    assert plan.phases[1].to == 50.5
    assert plan.stack.provinces == ("01", "79")
    assert [fault.target for fault in plan.faults] == ["province:79->national", "province:01"]
    assert decode(encode(plan)) == plan


@pytest.mark.parametrize("stack", ["", "[stack]\n", '[stack]\nprovinces = "all"\n'])
def test_provinces_left_out_or_all_means_all_34(tmp_path: Path, stack: str) -> None:
    text = GOOD.replace('[stack]\nprovinces = ["01", "79"]\n', stack)
    provinces = load(written(tmp_path, text), KNOWN).stack.provinces
    assert (len(provinces), provinces[0], provinces[-1]) == (34, "01", "96")


def test_whole_numbers_do_where_numbers_are_meant(tmp_path: Path) -> None:
    plan = load(written(tmp_path), KNOWN, ["phases.base.duration=20", "objectives.fast.target=2"])
    assert isinstance(plan.phases[0].duration, float)
    assert isinstance(plan.objectives[1].target, float)


def test_the_command_line_changes_seed_defects_and_values(tmp_path: Path) -> None:
    """Changes apply in order; a defect that the file has isn't listed twice."""
    path = written(tmp_path, 'defects = ["drop-sync"]\n' + GOOD)
    changes = ["phases.surge.rate=80", "phases.surge.rate=90", "load.gaps=constant"]
    plan = load(path, KNOWN, changes, seed=3, defects=["collapse-status", "drop-sync"])
    assert (plan.seed, plan.phases[1].rate, plan.load.gaps) == (3, 90.0, "constant")
    assert plan.defects == ("drop-sync", "collapse-status")


def test_a_byte_order_mark_is_no_part_of_a_campaign(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(tmp_path / "c.toml", KNOWN).name == "morning"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scale = 2", "scal = 2", 'c.toml:8: load.scal: unknown key; did you mean "scale"?'),
        ("seed = 7", "sed = 7", 'c.toml:2: sed: unknown key; did you mean "seed"?'),
        ("seed = 7", 'seed = "7"', 'c.toml:2: seed: must be a whole number, not the string "7"; give a whole number'),
        ("seed = 7", "seed = 7.5", "c.toml:2: seed: must be a whole number, not 7.5; give a whole number"),
        ("scale = 2", "scale = true", "c.toml:8: load.scale: must be a number, not true; give a number above 0"),
        (
            "scale = 2",
            "scale = inf",
            "c.toml:8: load.scale: inf isn't a finite number of 64 bits; give a number above 0",
        ),
        ("scale = 2", 'gaps = "even"', 'c.toml:8: load.gaps: unknown value "even"; known: constant, poisson'),
        ("duration = 20", "duration = 0", "c.toml:15: phases.base.duration: 0 isn't allowed; give a number above 0"),
        (
            "duration = 20",
            "duration = -2.5",
            "c.toml:15: phases.base.duration: -2.5 isn't allowed; give a number above 0",
        ),
        (
            "rate = 5\nto",
            "rate = nan\nto",
            "c.toml:21: phases.surge.rate: nan isn't a finite number of 64 bits; give a number of at least 0",
        ),
        ("duration = 20\n", "", "c.toml:13: phases.base.duration: is missing; add it"),
        ("[load]", "[lod]", 'c.toml:7: lod: unknown key; did you mean "load"?'),
        (
            'name = "base"',
            'name = "surge"',
            'c.toml:19: phases.surge.name: "surge" comes twice; keep one, or rename it',
        ),
        (
            'id = "kill-01"',
            'id = "cut-79"',
            'c.toml:32: faults.cut-79.id: "cut-79" comes twice; keep one, or rename it',
        ),
        (
            'name = "fast"',
            'name = "served"',
            'c.toml:48: objectives.served.name: "served" comes twice; keep one, or rename it',
        ),
        (
            'name = "base"',
            'name = "a,b"',
            'c.toml:14: phases."a,b".name: "a,b" isn\'t a plain name; use letters, digits, space, _, + and -',
        ),
        (
            'name = "served"',
            'name = "a\\u001b"',
            'c.toml:39: objectives."a\\u001b".name: isn\'t printable; leave out control characters',
        ),
        (
            '"79"]',
            '"80", "97"]',
            'c.toml:5: stack.provinces.2: unknown province "97"; '
            "known: 01, 04, 08, 11, 12, 14, 15, 19, 20, 22, 24, 25, …",
        ),
        (
            '"79"]',
            '"79"]\n[stack.capacity.provinces]\nmedian = 0.1',
            'c.toml:6: stack.capacity.provinces: unknown system "provinces"; did you mean "province"?',
        ),
        (
            '"79"]',
            '"79"]\n[stack.capacity."province:79"]\nmedian = 0.1\np95 = 0.05',
            'c.toml:8: stack.capacity."province:79".p95: 0.05 s is less than the median; give a longer time',
        ),
        (
            '"79"]',
            '"79"]\n[stack.capacity.national]\nmedian = 0.1\nconcurrency = 0',
            "c.toml:8: stack.capacity.national.concurrency: 0 isn't allowed; "
            "give a whole number of at least 1 and up to 100000",
        ),
        ('"79"]', "79]", 'c.toml:5: stack.provinces.1: must be a string, not 79; write "79", in quotes'),
        ('"01", "79"]', "1]", 'c.toml:5: stack.provinces.0: must be a string, not 1; write "01", in quotes'),
        ('"01", "79"]', "01]", 'c.toml:5: not TOML: Unclosed array; write codes in quotes: "01"'),
        ('"01", "79"]', "]", 'c.toml:5: stack.provinces: is empty; name provinces, or write "all"'),
        ('"79"]', '"79", "01"]', 'c.toml:5: stack.provinces.2: "01" comes twice; keep one, or rename it'),
        ("track = 1", "trak = 1", 'c.toml:11: load.journeys.trak: unknown journey "trak"; did you mean "track"?'),
        ("track = 1", "track = -1", "c.toml:11: load.journeys.track: -1 isn't allowed; give a number of at least 0"),
        (
            "= 3\ntrack = 1",
            "= 0\ntrack = 0.0",
            "c.toml:9: load.journeys: the weights add up to 0.0; give one journey a weight",
        ),
        (
            "[[faults]]",
            "[phases.journeys]\ntrak = 1\n[[faults]]",
            'c.toml:25: phases.surge.journeys.trak: unknown journey "trak"; did you mean "track"?',
        ),
        (
            'link = "province:79->national"',
            'link = "province:79>national"',
            'c.toml:27: faults.cut-79.link: unknown link "province:79>national"; did you mean "province:79->national"?',
        ),
        (
            'link = "province:79->national"',
            'link = "province:96->national"',
            "c.toml:27: faults.cut-79.link: province 96 isn't part of the stack; add it to stack.provinces",
        ),
        (
            'link = "province:79->national"\n',
            "",
            "c.toml:24: faults.cut-79.link: is missing: down breaks a link; give a link",
        ),
        (
            'link = "province:79->national"',
            'system = "national"',
            "c.toml:27: faults.cut-79.system: a fault of kind down breaks no system; give a link",
        ),
        (
            'system = "province:01"',
            'link = "citizen->national"',
            "c.toml:34: faults.kill-01.link: a fault of kind kill breaks no link; give a system",
        ),
        (
            'system = "province:01"',
            'system = "vneit"',
            'c.toml:34: faults.kill-01.system: unknown system "vneit"; did you mean "vneid"?',
        ),
        (
            'system = "province:01"',
            'system = "province:96"',
            "c.toml:34: faults.kill-01.system: province 96 isn't part of the stack; add it to stack.provinces",
        ),
        ('kind = "down"', 'kind = "donw"', 'c.toml:26: faults.cut-79.kind: unknown value "donw"; did you mean "down"?'),
        (
            "start = 12",
            "start = 30",
            "c.toml:35: faults.kill-01.start: starts at 30 s, the timeline ends at 30 s; start earlier",
        ),
        (
            "duration = 2\n\n",
            "duration = 20\n\n",
            "c.toml:36: faults.kill-01.duration: lasts until 32 s, the timeline ends at 30 s; "
            "start earlier, shorten it or lengthen a phase",
        ),
        ("start = 12", "start = -1", "c.toml:35: faults.kill-01.start: -1 isn't allowed; give a number of at least 0"),
        (
            'kind = "kill"\nsystem = "province:01"\nstart = 12',
            'kind = "latency"\nlink = "province:79->national"\nstart = 9.5',
            'c.toml:35: faults.kill-01.start: overlaps fault "cut-79" on province:79->national; '
            "start it at 10 s or later",
        ),
        (
            "start = 5\n",
            "start = 5\nattributes = { jiter = 1 }\n",
            "c.toml:29: faults.cut-79.attributes: down has no attribute jiter; correct the attributes of down",
        ),
        (
            "start = 5\n",
            "start = 5\nattributes = { latency = 1.5 }\n",
            "c.toml:29: faults.cut-79.attributes.latency: must be a whole number, not 1.5; give a whole number",
        ),
        (
            'phases = ["surge"]',
            'phases = ["surg"]',
            'c.toml:43: objectives.served.phases.0: unknown phase "surg"; did you mean "surge"?',
        ),
        (
            'provinces = ["01"]',
            'provinces = ["04"]',
            'c.toml:44: objectives.served.provinces.0: unknown province "04"; known: 01, 79',
        ),
        (
            'operations = ["national.submit"]',
            'operations = ["submit"]',
            'c.toml:45: objectives.served.operations.0: unknown operation "submit"; '
            "known: national.submit, province.intake",
        ),
        (
            '"availability"',
            '"availabilty"',
            'c.toml:40: objectives.served.indicator: unknown value "availabilty"; did you mean "availability"?',
        ),
        (
            "target = 0.999",
            "target = 99.9",
            "c.toml:41: objectives.served.target: 99.9 is no share; give a number from 0 to 1",
        ),
        (
            "quantile = 0.95\n",
            "",
            "c.toml:47: objectives.fast.quantile: is missing: response_time needs one; add it: quantile = 0.95",
        ),
        (
            "quantile = 0.95\n",
            "quantile = 1\n",
            "c.toml:50: objectives.fast.quantile: 1 isn't allowed; give a number above 0 and below 1",
        ),
        (
            "target = 0.999",
            "target = 0.999\nquantile = 0.5",
            "c.toml:42: objectives.served.quantile: availability has no quantile; leave it out",
        ),
        (
            "seed = 7",
            'defects = ["drop-sinc"]',
            'c.toml:2: defects.0: unknown defect "drop-sinc"; did you mean "drop-sync"?',
        ),
        (
            "seed = 7",
            "answers = [32]",
            "c.toml:2: answers.0: 32 isn't allowed; give a whole number of at least 1 and up to 31",
        ),
        ("seed = 7", "name = 3", "c.toml:2: not TOML: Cannot overwrite a value; correct this line"),
        ("seed = 7", "seed 7", "c.toml:2: not TOML: Expected '=' after a key in a key/value pair; correct this line"),
        ('provenance = "[P]"', 'provenance = """', "c.toml:52: not TOML: Unterminated string; correct this line"),
        ("duration = 20", "duration = 1e9", "c.toml:13: phases: the phases last 1e+09 s; stay within 2,678,400 s"),
        (
            "scale = 2",
            "scale = 1e300",
            "c.toml:13: phases: 3.775e+302 arrivals; lower rates or load.scale: 1,000,000,000 at most",
        ),
        (
            "seed = 7",
            f"seed = {'9' * 30}",
            f"c.toml:2: seed: {'9' * 30} isn't a finite number of 64 bits; give a whole number",
        ),
        ("seed = 7", "limits = 3", "c.toml:2: limits: must be a table, not 3; write [limits] and its keys below it"),
        (
            "seed = 7",
            "title = 2025-07-01",
            'c.toml:2: title: must be a string, not "2025-07-01"; write "2025-07-01", in quotes',
        ),
    ],
)
def test_bad_input_is_one_line_with_file_line_key_and_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert GOOD.count(old) >= 1
    assert error_of(written(tmp_path, GOOD.replace(old, new, 1))) == message


CAPACITY = "[stack.capacity.province]\nmedian = 0.1\n"
SPEED = "c.toml:8: stack.capacity.province"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("capacity = 3", "c.toml:6: stack.capacity: must be a table, not 3; write { name = value }"),
        (
            "capacity = { province = 3 }",
            "c.toml:6: stack.capacity.province: must be a table, not 3; "
            "write [stack.capacity.province] and its keys below it",
        ),
        (
            'capacity = { "province:01" = 3 }',
            'c.toml:6: stack.capacity."province:01": must be a table, not 3; '
            'write [stack.capacity."province:01"] and its keys below it',
        ),
        ("[stack.capacity.province]", "c.toml:6: stack.capacity.province.median: is missing; add it"),
        (
            "[stack.capacity.province]\nmedian = 0",
            "c.toml:7: stack.capacity.province.median: 0 isn't allowed; "
            "give a number of at least 1e-06 and up to 3600",
        ),
        (
            '[stack.capacity."province:04"]\nmedian = 0.1',
            "c.toml:6: stack.capacity.\"province:04\": province 04 isn't part of the stack; add it to stack.provinces",
        ),
        (
            "[stack.capacity.axis]\nmedian = 0.1",
            'c.toml:6: stack.capacity.axis: needs the platform "axis"; add it to stack.platforms',
        ),
        (
            "[stack.capacity.fax]\nmedian = 0.1",
            'c.toml:6: stack.capacity.fax: unknown system "fax"; known: national, payment, population, province, '
            "province:01, province:79, vneid",
        ),
        (CAPACITY + "p95 = 4000", f"{SPEED}.p95: 4000 isn't allowed; give a number of at least 1e-06 and up to 3600"),
        (CAPACITY + "concurency = 3", f'{SPEED}.concurency: unknown key; did you mean "concurrency"?'),
        (CAPACITY + "queue = -1", f"{SPEED}.queue: -1 isn't allowed; "
         "give a whole number of at least 0 and up to 1000000"),
        (CAPACITY + "timeout = 0", f"{SPEED}.timeout: 0 isn't allowed; give a number above 0"),
        (CAPACITY + "retry_after = 0.5", f"{SPEED}.retry_after: must be a whole number, not 0.5; "
         "give a whole number of at least 1 and up to 100000"),
        (CAPACITY + "connections = 0", f"{SPEED}.connections: 0 isn't allowed; "
         "give a whole number of at least 1 and up to 100000"),
        (CAPACITY + "connections = true", f"{SPEED}.connections: must be a whole number, not true; "
         "give a whole number of at least 1 and up to 100000"),
        (CAPACITY + 'client_timeout = "5s"', f'{SPEED}.client_timeout: must be a number, not the string "5s"; '
         "give a number of at least 0.001 and up to 3600"),
        (CAPACITY + "serves_within = inf", f"{SPEED}.serves_within: inf isn't a finite number of 64 bits; "
         "give a number of at least 0.001 and up to 3600"),
        (CAPACITY + "serves_within = 0.05", f"{SPEED}.serves_within: 0.05 s is less than the median; "
         "give a longer time"),
        ('one_level = "al"', 'c.toml:6: stack.one_level: no preset "al"; did you mean "all"?'),
        ('one_level = "01"', 'c.toml:6: stack.one_level: no preset "01"; write ["01"]'),
        ("one_level = true", "c.toml:6: stack.one_level: must be a list, not true; write [ … ]"),
        ("one_level = [1]", 'c.toml:6: stack.one_level.0: must be a string, not 1; write "01", in quotes'),
        ('one_level = ["01", "01"]', 'c.toml:6: stack.one_level.1: "01" comes twice; keep one, or rename it'),
        (
            'one_level = ["97"]',
            'c.toml:6: stack.one_level.0: unknown province "97"; '
            "known: 01, 04, 08, 11, 12, 14, 15, 19, 20, 22, 24, 25, …",
        ),
        ('mobile = "79"', 'c.toml:6: stack.mobile: must be a list, not the string "79"; write ["79"]'),
        ("mobile = [79]", 'c.toml:6: stack.mobile.0: must be a string, not 79; write "79", in quotes'),
        ('mobile = ["79", "79"]', 'c.toml:6: stack.mobile.1: "79" comes twice; keep one, or rename it'),
        ('mobile = ["04"]', "c.toml:6: stack.mobile.0: province 04 isn't part of the stack; add it to stack.provinces"),
        ('platforms = "axis"', 'c.toml:6: stack.platforms: must be a list, not the string "axis"; write ["axis"]'),
        ('platforms = ["axs"]', 'c.toml:6: stack.platforms.0: unknown value "axs"; did you mean "axis"?'),
        ('platforms = ["axis", "axis"]', 'c.toml:6: stack.platforms.1: "axis" comes twice; keep one, or rename it'),
        ("province_processes = 35", "c.toml:6: stack.province_processes: 35 isn't allowed; "
         "give a whole number of at least 1 and up to 34"),
        ('kind = "remote"', 'c.toml:6: stack.kind: unknown value "remote"; known: compose, external, local'),
        ("mobil = []", 'c.toml:6: stack.mobil: unknown key; did you mean "mobile"?'),
    ],
)  # fmt: skip
def test_a_stack_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path, line: str, message: str) -> None:
    assert error_of(written(tmp_path, GOOD.replace('"79"]', f'"79"]\n{line}', 1))) == message


def test_a_preset_of_provinces_that_there_is_none_of_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace('["01", "79"]', '"pilots"')
    assert error_of(written(tmp_path, text)) == 'c.toml:5: stack.provinces: no preset "pilots"; did you mean "pilot"?'


def test_boundary_free_intake_needs_another_province(tmp_path: Path) -> None:
    known = replace(KNOWN, journeys=KNOWN.journeys | {"boundary-free"})
    path = written(tmp_path, GOOD.replace("track = 1", "boundary-free = 1"))
    assert load(path, known).load.journeys["boundary-free"] == 1
    with pytest.raises(CampaignError, match=r"stack\.provinces: has one province, and boundary-free leads .*; name"):
        load(path, known, ['stack.provinces=["79"]'])


def test_mobile_teams_without_a_province_are_refused(tmp_path: Path) -> None:
    """The journey has a weight, and nobody goes out."""
    known = replace(KNOWN, journeys=KNOWN.journeys | {"mobile-reception"})
    path = written(tmp_path, GOOD.replace("track = 1", "mobile-reception = 1"))
    with pytest.raises(CampaignError, match=r"stack\.mobile: is empty, and mobile-reception needs a team; name"):
        load(path, known)
    assert load(path, known, ["stack.mobile=all"]).stack.mobile == ("01", "79")


def test_a_campaign_at_which_nobody_arrives_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("rate = 5", "rate = 0").replace("to = 50.5\n", "")
    assert (
        error_of(written(tmp_path, text))
        == "c.toml:13: phases: nobody arrives: every rate is 0; give a phase a rate above 0"
    )


CURVE = "c.toml:22: phases.surge.curve"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate = 5\nto = 50.5\n", "", "c.toml:18: phases.surge.rate: is missing; add it"),
        (
            "to = 50.5",
            "to = 9\ncurve = { kind = 'spike', peak = 9, width = 2 }",
            "c.toml:22: phases.surge.to: spike is no ramp; leave out either to or curve",
        ),
        (
            "to = 50.5",
            "curve = { kind = 'step', levels = [1, 2] }",
            "c.toml:21: phases.surge.rate: step has rates of its own; leave it out",
        ),
        (
            "to = 50.5",
            "curve = { knd = 'step' }",
            f"{CURVE}.kind: is missing; known: day, replay, sine, spike, step",
        ),
        ("to = 50.5", "curve = { kind = 'spik' }", f'{CURVE}.kind: unknown value "spik"; did you mean "spike"?'),
        (
            "to = 50.5",
            "curve = { kind = ['x'] }",
            f'{CURVE}.kind: unknown value ["x"]; known: day, replay, sine, spike, step',
        ),
        (
            "to = 50.5",
            "curve = 'spike'",
            f'{CURVE}: must be a table, not the string "spike"; write {{ kind = "…", … }}',
        ),
        (
            "to = 50.5",
            "curve = { kind = 'spike', peek = 3, width = 2 }",
            f'{CURVE}.peek: unknown key; did you mean "peak"?',
        ),
        ("to = 50.5", "curve = { kind = 'spike', peak = 3 }", f"{CURVE}.width: is missing; add it"),
        (
            "to = 50.5",
            "curve = { kind = 'spike', peak = 3, width = 4, at = 9 }",
            f"{CURVE}.width: lasts from 7 s to 11 s, the phase from 0 s to 10 s; "
            "narrow it, move it with at, or lengthen the phase",
        ),
        (
            "to = 50.5",
            "curve = { kind = 'sine', amplitude = 6, period = 4 }",
            f"{CURVE}.amplitude: 6 leads below 0; give at most the phase's rate, 5",
        ),
        (
            "to = 50.5",
            "curve = { kind = 'sine', amplitude = 1, period = 0 }",
            f"{CURVE}.period: 0 isn't allowed; give a number above 0",
        ),
        (
            "rate = 5\nto = 50.5",
            "curve = { kind = 'step', levels = [] }",
            "c.toml:21: phases.surge.curve.levels: is empty; give at least 1",
        ),
        (
            "rate = 5\nto = 50.5",
            "curve = { kind = 'step', levels = [1, 2], widths = [1] }",
            "c.toml:21: phases.surge.curve.widths: 1 widths for 2 levels; give one for each, or none",
        ),
        (
            "to = 50.5",
            "curve = { kind = 'day', weights = [1, 2] }",
            f"{CURVE}.weights: 2 weights for 24 hours; give one for each, from midnight on",
        ),
        (
            "to = 50.5",
            f"curve = {{ kind = 'day', weights = {[0] * 24} }}",
            f"{CURVE}.weights: the weights add up to 0.0; give one hour a weight",
        ),
        (
            "to = 50.5",
            f"curve = {{ kind = 'day', weights = {[1] * 24}, factor = 1e9 }}",
            f"{CURVE}.factor: the phase passes 1e+10 s; stay within 2,678,400 s",
        ),
        (
            "to = 50.5",
            f"curve = {{ kind = 'day', weights = {[1] * 24}, start = 24 }}",
            f"{CURVE}.start: 24 isn't allowed; give a number of at least 0 and below 24",
        ),
        (
            "scale = 2",
            "patience = { retries = -1 }",
            "c.toml:8: load.patience.retries: -1 isn't allowed; give a whole number of at least 0 and up to 1000",
        ),
        (
            "scale = 2",
            "patience = { pause = 1 }",
            'c.toml:8: load.patience.pause: unknown key; did you mean "first_pause"?',
        ),
    ],
)
def test_a_curve_that_cannot_be_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    head, surge = GOOD.split('name = "surge"')
    text = head + 'name = "surge"' + surge.replace(old, new, 1) if old in surge else GOOD.replace(old, new, 1)
    assert text != GOOD
    assert error_of(written(tmp_path, text)) == message


def test_a_rate_of_0_throughout_is_nobody_whatever_the_curve(tmp_path: Path) -> None:
    change = "phases.surge={name='surge', duration=30, curve={kind='step', levels=[0, 0]}}"
    assert "nobody arrives" in error_of(written(tmp_path), change, "phases.base.rate=0")


def test_an_empty_file_lacks_its_first_key(tmp_path: Path) -> None:
    assert error_of(written(tmp_path, "")) == "c.toml:1: name: is missing; add it"


def test_faults_that_touch_do_not_overlap(tmp_path: Path) -> None:
    """One starts when the other heals, on one link; or both are on at once, on two links."""
    changes = ["faults.kill-01={id='b', kind='latency', link='province:79->national', start=10, duration=1}"]
    assert len(load(written(tmp_path), KNOWN, changes).faults) == 2
    assert len(load(written(tmp_path), KNOWN, ["faults.kill-01.start=5"]).faults) == 2


def test_a_long_fault_overlaps_all_that_start_inside_it(tmp_path: Path) -> None:
    """Also where a shorter one lies between."""
    faults = "".join(
        f'[[faults]]\nid = "{name}"\nkind = "down"\nlink = "citizen->national"\nstart = {start}\nduration = {length}\n'
        for name, start, length in (("long", 0, 20), ("late", 15, 1))
    )
    assert 'overlaps fault "long"' in error_of(written(tmp_path, GOOD + faults))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("load.scal=2", '--set load.scal=2: load.scal: unknown key; did you mean "scale"?'),
        ("lod.scale=2", '--set lod.scale=2: lod: unknown key; did you mean "load"?'),
        ("load.scale=x", '--set load.scale=x: load.scale: must be a number, not the string "x"; give a number above 0'),
        ("phases.surg.rate=2", '--set phases.surg.rate=2: phases.surg: no such item; did you mean "surge"?'),
        ("load", "--set load: isn't key=value; write it like load.scale=0.5"),
        (
            "load.gaps=a\x1b[31m\nb",
            '--set load.gaps=a\\x1b[31m\\nb: load.gaps: unknown value "a\\u001b[31m\\nb"; known: constant, poisson',
        ),
    ],
)
def test_a_bad_override_is_named(tmp_path: Path, change: str, message: str) -> None:
    assert error_of(written(tmp_path), change) == message


def test_what_an_override_breaks_elsewhere_is_named_where_it_stands(tmp_path: Path) -> None:
    message = error_of(written(tmp_path), "phases.surge.duration=1", "phases.base.duration=12")
    assert message == (
        "c.toml:36: faults.kill-01.duration: lasts until 14 s, the timeline ends at 13 s; "
        "start earlier, shorten it or lengthen a phase"
    )


def test_bad_options_are_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert (
        error_of(path, defects=["x"]) == '--defect x: defects.0: unknown defect "x"; known: collapse-status, drop-sync'
    )
    assert error_of(path, seed=2**63).startswith("--seed 9223372036854775808: seed: ")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    assert error_of(tmp_path / "no.toml").startswith("no.toml: no such file; give a campaign file, or a shipped name")
    assert error_of(tmp_path).endswith(": a folder; give the campaign file in it")
    assert error_of(written(tmp_path) / "x.toml") == "x.toml: can't be read (Not a directory); give a campaign file"
    assert "can't be read" in error_of("a\0.toml")


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b'name = "x"\ntitle = "\xff"\n')
    assert error_of(tmp_path / "c.toml") == "c.toml:2: not UTF-8; save it as UTF-8"


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "{a=" * 5000, "a" + ".a" * 2000 + " = 1", "a = " + "9" * 5000]
)
def test_absurd_files_are_refused_without_a_traceback(tmp_path: Path, text: str) -> None:
    assert error_of(written(tmp_path, text)).startswith("c.toml:1: ")


def test_a_file_without_end_is_refused() -> None:
    assert error_of("/dev/zero") == "/dev/zero: longer than 1,000,000 bytes; give a campaign file"


def test_a_shipped_campaign_goes_by_its_name() -> None:
    """With the journeys and operations that it names itself: whether those exist is the harness's to test."""
    assert "cutover-morning" in shipped()
    for name in shipped():
        raw = tomllib.loads((Path(__file__).parents[2] / "scenarios" / "campaigns" / f"{name}.toml").read_text("utf-8"))
        operations = {word for objective in raw["objectives"] for word in objective.get("operations", [])}
        weaknesses = raw.get("weaknesses", {})
        checks = frozenset(check for seen_by in weaknesses.values() for check in seen_by)
        defects = frozenset([*raw.get("defects", []), *weaknesses])
        known = Known(frozenset(raw["load"]["journeys"]), frozenset(operations), defects, lambda _: [], checks=checks)
        assert isinstance(load(name, known), Plan)


def test_an_unknown_name_proposes_a_shipped_one() -> None:
    assert error_of("cutover-mornin").endswith('did you mean "cutover-morning"?')


def test_reading_a_campaign_imports_no_layer_above() -> None:
    code = "import sys; from model.campaign import shipped; shipped(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scenarios", "mocks", "faults", "reports", "harness", "gevent"} & set(done.stdout.split())


def message_of(path: Path, *changes: str) -> str | None:
    try:
        load(path, KNOWN, changes)
    except CampaignError as error:
        return str(error)
    return None


texts = st.text(max_size=3) | st.sampled_from(
    ["\n", "=", "[", "]", '"', "-1", "nan", "inf", "0", "[[faults]]\n", "[x]\n"]
)


@given(st.integers(0, len(GOOD)), st.integers(0, 12), texts)
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_of_a_file_gives_a_plan_or_one_line(tmp_path: Path, start: int, cut: int, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes((GOOD[:start] + text + GOOD[start + cut :]).encode("utf-8", "surrogatepass"))
    message = message_of(path)
    assert message is None or (message.isprintable() and message.startswith(f"{path}:"))


@given(st.sampled_from(["load", "phases.surge", "faults.cut-79", "objectives.0", "stack", ""]), st.text(), st.text())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_override_gives_a_plan_or_one_line(tmp_path: Path, table: str, key: str, value: str) -> None:
    path = written(tmp_path)
    message = message_of(path, f"{table}.{key}={value}")
    assert message is None or message.isprintable()
