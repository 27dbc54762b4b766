"""A targets file is read whole, or refused in one line."""

from pathlib import Path

import pytest

from harness.cli import read_campaign
from model.plan import decode, encode
from model.target_checks import rate_for_load
from model.targets import undeclared
from model.targets_file import load
from model.toml_file import CampaignError

DEMO = Path(__file__).resolve().parents[2] / "scenarios" / "targets"
TEXT = (DEMO / "demo.toml").read_text(encoding="utf-8")
CAMPAIGN = DEMO / "demo.campaign.toml"


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "targets.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_sound_and_travels_in_the_plan() -> None:
    """What was read is what a worker reads from the plan; the fault's proofs have their part of the rate."""
    plan = read_campaign(str(CAMPAIGN), None, None, None, DEMO / "demo.toml")
    assert decode(encode(plan)) == plan
    assert plan.targets is not None
    assert plan.targets.urls(plan.systems)["province:01"] == "http://127.0.0.1:8322/hanoi"
    assert Path(plan.targets.kill_switch).is_absolute()
    assert rate_for_load(plan, plan.targets) == plan.targets.rate - 10


PROBE = """probe = "/status/200"              # what proves a fault: it must answer 200, with a Content-Length
"""
CONTROL = (
    PROBE
    + """[systems.national.control]
url = "https://ops.example.vn/faults"
addresses = ["203.0.113.7/32"]
auth = { kind = "bearer", env = "OPS" }
authorised = { by = "operators", reference = "VH-3", date = 2025-07-02 }
window = { start = 2025-07-01T00:00:00+07:00, end = 2035-07-01T00:00:00+07:00 }
"""
)
WRONG = [
    (('reference = "DEMO-1"', "#"), "authorised.reference: is missing"),
    (("[authorised]", "[[authorised]]"), "authorised: must be a table"),
    (("start = 2025-07-01T00:00:00+07:00", "start = 2025-07-01T00:00:00"), "window.start: must be a time with its"),
    (("end = 2035", "end = 2015"), "window.end: isn't after start"),
    (('addresses = ["127.0.0.0/16"]', "addresses = []"), "systems.national.addresses: is empty"),
    (('addresses = ["127.0.0.0/16"]', 'addresses = ["0.0.0.0/0"]'), "addresses.0: 0.0.0.0/0 is too wide"),
    (('"http://127.0.0.1:8321"', '"http://qa:pw@127.0.0.1"'), "holds more than host, port and path"),
    (('"http://127.0.0.1:8321"', '"ftp://127.0.0.1"'), "is no address"),
    (('env = "DEMO_TOKEN"', 'env = ""'), "needs one place for the secret"),
    (('Idempotency-Key = "{key}"', 'Authorization = "Bearer x"'), "would be written into the record"),
    (('path = "/anything/dossiers/{code}"', 'path = "/anything/{cod}"'), "nothing has filled in {cod} yet"),
    (('path = "/anything/dossiers/{code}"', 'path = "//evil.example/"'), "would lead to another host"),
    (('system = "province"', 'system = "axis"'), '"axis" isn\'t declared'),
    (('code = "/json/id"', 'code = "json.id"'), "is no place in a reply"),
    (("rate = 120", "rate = 0"), "rate: 0 isn't allowed"),
    (('path = "/dossiers/{code}"', 'path = "/dossiers"'), "asks for no dossier in particular"),
    (('mode = "sample"', 'mode = "some"'), 'audit.mode: unknown value "some"'),
    (("rate = 120", "rate = 120\nspeed = 3"), "speed: unknown key"),
    ((PROBE, CONTROL.replace("https://ops", "ops")), "systems.national.control.url: "),
    ((PROBE, CONTROL.replace("203.0.113.7/32", "0.0.0.0/0")), "systems.national.control.addresses.0: 0.0.0.0/0 is too"),
    (
        (PROBE, CONTROL.replace('env = "OPS"', 'env = ""')),
        "systems.national.control.auth: needs one place for the secret",
    ),
    ((PROBE, CONTROL.replace("end = 2035", "end = 2015")), "systems.national.control.window.end: isn't after start"),
    ((PROBE, CONTROL.replace("2025-07-02", "2036-07-02")), "systems.national.control.authorised.date: is after the"),
    ((PROBE, CONTROL.replace("vn/", "vn/{province}/")), "systems.national.control.url: national is one system"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_a_wrong_file_gets_one_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """File, line, key, what is wrong and what to do."""
    path = written(tmp_path, change)
    with pytest.raises(CampaignError) as refused:
        load(path)
    message = str(refused.value)
    assert message.startswith(f"{path}:")
    assert said in message
    assert "; " in message
    assert "\n" not in message


UNSUITABLE = [
    (["load.scale=20"], "requests/s would leave, 110 are authorised"),
    (['faults.slow-line={id="k", kind="kill", system="national", start=1, duration=1}'], "didn't start"),
    (['faults.slow-line={id="k", kind="stale-reads", system="national", start=1, duration=1}'], "didn't start"),
    (["faults.slow-line.link=national->province:01"], "isn't ours: we only dial from citizen"),
    (["faults.slow-line.link=citizen->vneid"], "vneid isn't in the targets file"),
    (["faults.slow-line.link=citizen->province:01"], "province:01 has no probe"),
    (["faults.slow-line.kind=flap", "faults.slow-line.attributes={period=500}"], "can only be proved on our own mocks"),
    (["load.journeys.process=1"], "the targets file doesn't say how it goes there"),
    (["phases.calm.journeys={process=1}"], "the targets file doesn't say how it goes there"),
    (['defects=["drop-sync"]'], "is done to our own mocks alone"),
    (['stack.paths={national={"/sync"="/x"}}'], "stack.paths: are those of our own mocks"),
    (["objectives.0.indicator=drain_time"], "can't be seen on external systems"),
]


@pytest.mark.parametrize(("changes", "said"), UNSUITABLE)
def test_a_campaign_that_may_not_go_there_gets_one_line(changes: list[str], said: str) -> None:
    """What would break a system that isn't ours, or load it more than is authorised, is refused before anything."""
    with pytest.raises(CampaignError) as refused:
        read_campaign(str(CAMPAIGN), None, changes, None, DEMO / "demo.toml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


INSIDE = 'faults.slow-line={id="k", kind="KIND", system="SYSTEM", start=9, duration=1, attributes={ATTRIBUTES}}'


@pytest.mark.parametrize(
    ("kind", "system", "attributes", "said"),
    [
        ("error-rate", "province:01", "share=50", "or declare systems.province.control in the targets file"),
        ("kill", "national", "", "kill would break national, a system that this harness didn't start; leave it out"),
        ("stale-reads", "national", "age=60", "stale-reads can only be proved on our own mocks"),
    ],
)
def test_a_fault_inside_needs_leave_and_a_proof(
    tmp_path: Path, kind: str, system: str, attributes: str, said: str
) -> None:
    """A control endpoint is for its system, and for the kinds that its probe proves."""
    change = INSIDE.replace("KIND", kind).replace("SYSTEM", system).replace("ATTRIBUTES", attributes)
    with pytest.raises(CampaignError) as refused:
        read_campaign(str(CAMPAIGN), None, [change], None, written(tmp_path, (PROBE, CONTROL)))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_control_endpoint_opens_its_system_to_faults(tmp_path: Path) -> None:
    """Through TLS as well: its proofs speak it."""
    change = INSIDE.replace("KIND", "slow-database").replace("SYSTEM", "national").replace("ATTRIBUTES", "delay=200")
    path = written(tmp_path, (PROBE, CONTROL), ('"http://127.0.0.1:8321"', '"https://127.0.0.1:8321"'))
    plan = read_campaign(str(CAMPAIGN), None, [change], None, path)
    assert decode(encode(plan)) == plan
    assert plan.targets is not None
    assert rate_for_load(plan, plan.targets) == plan.targets.rate - 10


def test_no_fault_through_tls(tmp_path: Path) -> None:
    """A proof would have to speak TLS."""
    path = written(tmp_path, ('"http://127.0.0.1:8321"', '"https://127.0.0.1:8321"'))
    with pytest.raises(CampaignError, match="carries TLS, through which no fault can be proved"):
        read_campaign(str(CAMPAIGN), None, None, None, path)


def test_a_campaign_names_no_targets_itself(tmp_path: Path) -> None:
    """Neither by its stack nor by a table."""
    with pytest.raises(CampaignError, match="give a file with --targets"):
        read_campaign(str(CAMPAIGN), None, ["stack.kind=external"], None)
    with pytest.raises(CampaignError, match="targets: doesn't belong into a campaign"):
        read_campaign(str(CAMPAIGN), None, ["targets.rate=1"], None)


@pytest.mark.parametrize(
    ("address", "outside"),
    [("127.0.0.9", False), ("127.1.0.1", True), ("::ffff:127.0.0.1", False), ("::1", True), ("169.254.169.254", True)],
)
def test_an_address_is_declared_or_not(tmp_path: Path, address: str, outside: bool) -> None:
    """IPv4 in an IPv6 coat is IPv4."""
    networks = load(DEMO / "demo.toml").systems["national"].networks
    assert undeclared(address, networks) is outside
