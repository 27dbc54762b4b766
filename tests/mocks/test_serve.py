"""Starting, stopping, and what every system offers."""

import json
import signal
import socket

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

START = 4.0  # times what one province takes, allowed for 17; about 1.4 measured


def finish(process, timeout=30.0):
    try:
        process.wait(timeout=timeout)
    finally:
        process.kill()
    errors = process.stderr.read().decode()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    return process.returncode, errors


def test_every_route_is_in_the_openapi_document(stack):
    from prometheus_client import CollectorRegistry

    from mocks.serve import SYSTEMS
    from mocks.system import Surroundings

    for name in stack.names:
        document = stack.get(name, "/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
        around = Surroundings(stack.folder, stack.config([])["links"], stack.provinces)
        system = SYSTEMS[name.partition(":")[0]](name, around, CollectorRegistry())
        assert listed == {(route.method, route.path) for route in system.routes}
        references = [part.partition('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]]
        assert set(references) <= set(document["components"]["schemas"])


def test_health_answers_with_padding(stack):
    for name in stack.names:
        assert stack.get(name, "/healthz").json() == {"status": "ok", "system": name}
    assert len(stack.get("vneid", "/healthz", params={"bytes": 1_000_000}).json()["padding"]) == 1_000_000
    for wrong in (-1, 1_000_001, "x"):
        assert stack.get("vneid", "/healthz", params={"bytes": wrong}).status_code == 422


def test_errors_of_routing_have_the_same_shape(stack):
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/dossiers", 405), ("GET", "/%ff", 404)):
        answer = stack.http.request(method, stack.url("national") + path)
        assert (answer.status_code, answer.json()["reason"]) == (status, "unknown")


def test_series_exist_before_the_first_request(stack):
    for name in stack.names:
        families = {f.name: f for f in text_string_to_metric_families(stack.get(name, "/metrics").text)}
        requests = families["thongsuot_system_requests"].samples
        assert {"2xx", "5xx"} <= {sample.labels["code"] for sample in requests}
        edges = {sample.labels.get("le") for sample in families["thongsuot_system_request_seconds"].samples}
        assert "2.0" in edges
        assert all(family.startswith("thongsuot_") for family in families)


def test_metrics_count_requests_and_dossiers(stack):
    series = 'thongsuot_system_requests_total{code="2xx",operation="intake"'
    before = stack.metric("province:01", series)
    stack.intake(stack.officer())
    assert stack.metric("province:01", series) == before + 1
    assert stack.metric("province:01", "thongsuot_system_dossiers") == len(stack.listing("province:01", 1000))


def test_17_provinces_of_one_process_are_ready_soon(stacks):
    from model.places import provinces

    codes = list(provinces())[:17]
    stack = stacks(provinces=codes)
    names = [f"province:{code}" for code in codes]
    stack.start(names[0])
    one = computed(stack, names[0])
    stack.kill(names[0])
    stack.start(*names)
    assert computed(stack, names[0]) < START * one


def computed(stack, name):
    """Return the processor time, in seconds, that a system's process has taken."""
    spent = psutil.Process(stack.processes[name].pid).cpu_times()
    return spent.user + spent.system


@pytest.mark.parametrize("how", ["terminate", "interrupt", "end of input"])
def test_a_process_stops_when_it_is_told_to(stacks, how):
    stack = stacks().start("national", "province:01")
    stack.intake(stack.officer())
    process = stack.processes.pop("national")
    stack.processes.clear()
    if how == "end of input":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGINT)
    assert finish(process) == (0, "")


def test_a_taken_port_is_named_and_nothing_starts(stacks):
    stack = stacks()
    with socket.create_server(("127.0.0.1", stack.ports["province:01"])):
        status, errors = finish(stack.spawn(*stack.names))
    assert status == 1
    assert errors.count("\n") == 1
    assert f"province:01: port {stack.ports['province:01']}: Address already in use" in errors


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"systems": []}, "systems"),
        ({"systems": [{"name": "province:00", "port": 1}]}, "province:00"),
        ({"systems": [{"name": "national", "port": 0}]}, "port"),
        ({"defects": ["drop-sink"]}, "drop-sink"),
        ({"links": {}}, "its link 'national->payment' is missing"),
        ({"sede": 1}, "sede"),
        ({"state": "/proc/none"}, "/proc/none"),
    ],
    ids=str,
)
def test_a_wrong_configuration_is_one_line(stacks, monkeypatch, change, said):
    stack = stacks()
    config = stack.config(["national"]) | change
    monkeypatch.setattr(stack, "config", lambda names: config)
    status, errors = finish(stack.spawn("national"))
    assert status == 1
    assert errors.count("\n") == 1
    assert said in errors


def test_a_foreign_state_file_is_one_line(stacks, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "national.sqlite").write_bytes(b"not a database" * 100)
    status, errors = finish(stacks().spawn("national"))
    assert status == 1
    assert errors.count("\n") == 1
    assert "file is not a database" in errors


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ({"nation": {}}, ["paths.nation", '"national"']),
        ({"national": {"/sync": "/login"}}, ["paths.national./sync", "/login"]),
        ({"national": {"/sync": 7}}, ["paths"]),
    ],
)
def test_paths_that_do_not_fit_are_refused_in_one_line(stacks, paths, words):
    code, errors = finish(stacks(paths=paths).spawn("national"))
    assert (code, errors.count("\n")) == (1, 1), errors
    assert all(word in errors for word in words), errors
