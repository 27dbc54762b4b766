"""Every system keeps to its OpenAPI document: schemathesis sends it what the document allows, and what it forbids.

What exists in the stack goes into the documents as examples, so that every operation is seen to succeed as well, not
only to refuse; schemathesis changes them field by field, and mixes them into a share of what it makes up.

``THONGSUOT_EXAMPLES`` gives the number of generated requests per operation (default 3: some 45 s of CPU in all).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.links import PLATFORMS, systems
from tests.conftest import TOKEN
from tests.mocks.known import known
from tests.mocks.schemathesis_hooks import ANSWERS, KEY

EXAMPLES = os.environ.get("THONGSUOT_EXAMPLES", "3")
PATIENCE = 600  # seconds for one system on a machine that has other things to do
ANSWER = 60  # seconds for one answer
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "ignored_auth",
)  # fmt: skip
WARNINGS = [
    "missing_test_data", "missing_deserializer", "unused_openapi_auth", "unsupported_regex",
    "method_not_allowed", "unresolvable_reference",
]  # fmt: skip
"""All but that most generated data are refused: what belongs together, codes and sums, a schema can't say."""
COMMON = {
    "healthz", "readyz", "metrics", "vitals", "openapi", "page_front", "control_list", "control_get", "control_put",
    "control_renew", "control_delete",
}  # fmt: skip
LISTINGS = [
    "entries", "refused", "alerts", "reports", "migration_staged", "migration_moved", "migration_held",
    "migration_staged_accounts", "migration_moved_accounts", "migration_held_accounts",
]  # fmt: skip
"""They take what ``list`` takes, which is tried value by value; of these random requests are enough."""
HAS_COMMON = "payment"
"""Whose document keeps what all systems share; its fault ``lost-callback`` changes no answer."""
NOT_REACHED = {
    ("POST /axis/sendEdoc", "201"),  # edXML, which schemathesis doesn't write: test_axis
    *((f"GET {path}/session", status) for path in ("/portal", "/online") for status in ("302", "303")),
}
"""Successes that aren't seen; ``/session`` needs what VNeID has just said: test_by_hand."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory, stack_class):
    """Every system there is, of two provinces, one with a stock that waits for migration and an unconnected commune."""
    folder = tmp_path_factory.mktemp("whole")
    stack = stack_class(
        folder, ("01", "04"), token=TOKEN, platforms=PLATFORMS, stock={"01": 20}, unconnected=("00008",)
    ).start()
    yield stack
    stack.stop()


def configuration(sessions, schemes):
    """Return schemathesis' configuration for a system whose document has these security schemes."""
    lines = [
        f"hooks = {json.dumps(str(Path(__file__).with_name('schemathesis_hooks.py')))}",
        f"warnings = {{ display = {json.dumps(WARNINGS)}, fail-on = true }}",
        "checks.negative_data_rejection.expected-statuses = ['4xx', '5xx']",  # 413 too: long, and wrong
        "phases.coverage.unexpected-methods = ['PATCH']",
    ]
    for name in schemes:
        kind = "api_key" if schemes[name]["type"] == "apiKey" else "bearer"
        lines.append(f"auth.openapi.{name} = {{ {kind} = {json.dumps(sessions[name])} }}")
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(LISTINGS)}", "phases.coverage.enabled = false"]
    return "\n".join(lines)


def readable(document, requests):
    """Return a document as schemathesis reads it.

    What all systems share it has once, tuples in answers as arrays, and what is known as examples.
    """
    if document["info"]["title"] != HAS_COMMON:
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
    for operation in operations(document).values():
        if operation["operationId"] == "document":  # of the people at a province, a clerk alone sends documents
            operation["security"] = [{"clerk": []}]
            document["components"]["securitySchemes"]["clerk"] = {"type": "http", "scheme": "bearer"}
        exemplify(operation, {"Idempotency-Key": KEY, **requests.get(operation["operationId"], {})})
    return document


def operations(document):
    """Return the operations by schemathesis' name for them."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def successes(document):
    """Return each operation with each status of a success that programs see; of those that only lead on, that."""
    found = set()
    for name, operation in operations(document).items():
        statuses = [status for status in operation["responses"] if status < "400"]
        found |= {(name, status) for status in statuses if status < "300" or min(statuses) >= "300"}
    return found


def exemplify(operation, request):
    """Enter a request as the example of its operation."""
    for parameter in operation["parameters"]:
        if parameter["name"] in request:
            parameter["example"] = request[parameter["name"]]
    if "body" in request:
        bodies = request["body"] if isinstance(request["body"], list) else [request["body"]]
        for content in operation["requestBody"]["content"].values():
            content["examples"] = {str(number): {"value": body} for number, body in enumerate(bodies)}


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("name", systems(["01"], PLATFORMS))
def test_schemathesis_finds_nothing_and_sees_every_success(whole, name, tmp_path):
    requests, sessions = known(whole, name)
    document = readable(whole.get(name, "/openapi.json").json(), requests)
    schemes = document["components"]["securitySchemes"]
    (tmp_path / "schemathesis.toml").write_text(configuration(sessions, schemes), encoding="utf-8")
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", "schemathesis.toml", "run",
        "openapi.json", "--url", whole.url(name), "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing",
        "--max-examples", EXAMPLES, "--seed", "1", "--no-shrink", "--continue-on-failure",
        "--request-timeout", str(ANSWER),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout
    notes = (tmp_path / ANSWERS).read_text(encoding="utf-8").splitlines()
    assert successes(document) - {tuple(line.split("\t")) for line in notes} <= NOT_REACHED
