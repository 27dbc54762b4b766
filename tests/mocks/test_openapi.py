"""Every system keeps to its OpenAPI document: schemathesis sends it what the document allows, and what it forbids.

``THONGSUOT_EXAMPLES`` gives the number of generated requests per operation (default 6: some 60 s of CPU in all).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.links import PLATFORMS, systems

EXAMPLES = os.environ.get("THONGSUOT_EXAMPLES", "6")
PATIENCE = 600  # seconds for one system on a machine that has other things to do
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "ignored_auth",
)  # fmt: skip
COMMON = {
    "healthz", "readyz", "metrics", "openapi", "control_list", "control_get", "control_put", "control_delete",
    "page_front", "page_list", "page_one",
}  # fmt: skip
CONTROL = "open-the-control-api"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, stack_class):
    """Every system there is, of one province with a stock that waits for migration."""
    folder = tmp_path_factory.mktemp("whole")
    stack = stack_class(folder, token=CONTROL, platforms=PLATFORMS, stock={"01": 20}).start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def known(whole):
    """What exists: sessions by system, and values of path parameters by name."""
    officer, citizen = whole.officer(), whole.citizen()
    organ = {"OrganId": "H01", "OrganName": "UBND", "password": "mk.H01"}
    login = whole.http.post(whole.url("province:01") + "/portal/session", data={"access_token": whole.access_token()})
    sessions = {
        "province:01": officer["Authorization"].removeprefix("Bearer "),
        "national": citizen["Authorization"].removeprefix("Bearer "),
        "axis": whole.post("axis", "/axis/registerAgency", organ).json()["session"],
        "vneid": whole.access_token(),
    }
    codes = [whole.intake(officer) for _ in range(3)]
    values = {
        "code": [*codes, "NV0001", "giao-ban", "00004", "00013"],
        "transaction": ["GD0000000001"],
        "offset": ["0"],
    }
    return sessions, login.cookies["phien"], values


def configuration(known, name):
    """Return schemathesis' configuration for a system: sessions, and identifiers that exist for half of the calls."""
    sessions, cookie, values = known
    lines = [
        f"auth.openapi.bearer = {{ bearer = {json.dumps(sessions.get(name, CONTROL))} }}",
        f"auth.openapi.phien = {{ api_key = {json.dumps(cookie)} }}",
        "[phases.coverage]",
        "unexpected-methods = ['PATCH']",
        *(f"[dictionaries.{key}]\nvalues = {json.dumps(found)}" for key, found in values.items()),
        "[parameters]",
        *(f"'path.{key}' = {{ dictionary = '{key}', probability = 0.5 }}" for key in values),
        "[[operations]]",
        "include-path-regex = '^/control/'",
        f"headers = {{ Authorization = 'Bearer {CONTROL}' }}",
    ]
    return "\n".join(lines)


def readable(document):
    """Return a document as this schemathesis reads it: what all systems share once, tuples in answers as arrays."""
    if document["info"]["title"] != "meetings":
        shared = [
            path for path, item in document["paths"].items() if {o["operationId"] for o in item.values()} <= COMMON
        ]
        for path in shared:
            del document["paths"][path]
    dossier = document["components"]["schemas"].get("Dossier")
    if dossier is not None:
        step = dossier["properties"]["history"]["items"]
        del step["prefixItems"]
        step["items"] = {"type": "number"}
    return document


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("name", systems(["01"], PLATFORMS))
def test_schemathesis_finds_nothing(whole, known, name, tmp_path):
    config, document = tmp_path / "schemathesis.toml", tmp_path / "openapi.json"
    config.write_text(configuration(known, name), encoding="utf-8")
    document.write_text(json.dumps(readable(whole.get(name, "/openapi.json").json())), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run", str(document),
        "--url", whole.url(name), "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing",
        "--max-examples", EXAMPLES, "--seed", "1", "--no-shrink", "--continue-on-failure", "--warnings", "off",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout
