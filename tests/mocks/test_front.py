"""What stands before a system: a limit of connections, and time-outs for slow clients and slow systems."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import BEARER, TOKEN

ASK = b"GET /statistics HTTP/1.1\r\nHost: x\r\n\r\n"
PROVINCE = "province:01"
PATIENCE = 30.0  # seconds


def connect(stack, timeout=PATIENCE):
    return contextlib.closing(socket.create_connection(("127.0.0.1", stack.ports[PROVINCE]), timeout))


def until_closed(line):
    """Return what comes until the other side closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := line.recv(4096):
            received += part
    return received


def answered(line, data=ASK):
    line.sendall(data)
    return line.recv(4096).startswith(b"HTTP/1.1 200 ")


def sent(stack, data, within):
    """Send data over a connection of their own, and return what comes until it is closed.

    Who is held up before all is sent for as long as the system gives a client may be cut off, and sends again.
    """
    while True:
        began = time.monotonic()
        with connect(stack) as line:
            line.sendall(data)
            in_time = time.monotonic() - began < within
            received = until_closed(line)
        if in_time:
            return received


def unhindered(ask, within):
    """Ask, and return what comes of it; ask again where that took as long as the system gives a client, or itself."""
    while True:
        began = time.monotonic()
        try:
            answer = ask()
        except (httpx.TransportError, KeyError):  # cut off, or told 408 or 504
            if time.monotonic() - began < within:
                raise
        else:
            if time.monotonic() - began < within:
                return answer


@pytest.fixture
def fronted(stacks):
    """Start a province whose front end is told so; without queueing to speak of.

    Nobody keeps a connection to it: one that is cut off while idle may be so in the moment in which it is used again.
    """

    def start(**capacity):
        front = {"median": 0.001, "concurrency": 100, **capacity}
        stack = stacks(capacity={"province": front}, token=TOKEN).start(PROVINCE)
        stack.http.close()
        stack.http = httpx.Client(trust_env=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
        return stack

    return start


def test_one_connection_more_than_the_limit_waits_until_another_closes(fronted):
    """As at HAProxy's maxconn: the kernel connects it, nobody reads it."""
    stack = fronted(connections=2)
    with contextlib.ExitStack() as lines:
        first, second = lines.enter_context(connect(stack)), lines.enter_context(connect(stack))
        assert answered(first)
        assert answered(second)
        third = lines.enter_context(connect(stack, 0.5))
        with pytest.raises(TimeoutError):
            answered(third)
        first.close()
        third.settimeout(PATIENCE)
        assert third.recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("head", [b"", b"GET /stat", ASK[:-2]], ids=["silent", "half a line", "half a head"])
def test_a_client_that_does_not_finish_its_head_is_cut_off(fronted, head):
    stack = fronted(client_timeout=0.5)
    began = time.monotonic()
    with connect(stack) as line:
        line.sendall(head)
        assert until_closed(line) in (b"", _bare(408))
        assert time.monotonic() - began >= 0.3


def _bare(status):
    return f"HTTP/1.1 {status} ".encode()


def test_a_drip_of_header_lines_is_cut_off_as_well(fronted):
    """Slowloris: each line comes in time, the head never does."""
    stack = fronted(client_timeout=0.5)
    with connect(stack) as line:
        line.sendall(b"GET /statistics HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
            _drip(line)


def _drip(line):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        line.sendall(b"X-Drip: 1\r\n")
        time.sleep(0.1)


def test_an_idle_connection_is_closed(fronted):
    received = sent(fronted(client_timeout=1.0), ASK, 1.0)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_body_that_does_not_come_is_answered_408_and_cut_off(fronted, submission):
    """Nothing is stored, and whoever keeps to the time isn't disturbed."""
    stack = fronted(client_timeout=1.0)
    officer, content = unhindered(stack.officer, 1.0), json.dumps(submission()).encode()
    head = [
        "POST /counter/dossiers HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in {**officer, **stack.key()}.items()),
    ]
    received = sent(stack, "\r\n".join(head).encode() + b"\r\n\r\n" + content[:20], 1.0)
    assert received.startswith(_bare(408))
    assert json.loads(received.partition(b"\r\n\r\n")[2])["reason"] == "timeout"
    assert unhindered(lambda: stack.listing(PROVINCE), 1.0) == []
    key = stack.key()
    assert unhindered(lambda: _intake(stack, officer, key, submission()), 1.0).status_code == 201


def test_a_request_that_is_not_served_in_time_is_answered_504_and_leaves_nothing(fronted, submission):
    """It waits for a server, or is computed: then no write of it is begun. The same key goes through later."""
    stack = fronted(median=0.2, concurrency=1, queue=50, serves_within=1.0, retry_after=7)
    officer, taken, late = unhindered(stack.officer, 1.0), [], []
    while not (taken and late):  # where the machine is held up all may be late, or none waits for another
        keys = [stack.key() for _ in range(10)]
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda key: _intake(stack, officer, key, submission()), keys))
        assert {answer.status_code for answer in answers} <= {201, 504}
        taken += [answer.json()["code"] for answer in answers if answer.status_code == 201]
        late += [(key, answer) for key, answer in zip(keys, answers, strict=True) if answer.status_code == 504]
    assert {(answer.json()["reason"], answer.headers["retry-after"]) for _, answer in late} == {("timeout", "7")}
    time.sleep(1.5)  # what was given up would be stored by now
    assert [item["code"] for item in unhindered(lambda: stack.listing(PROVINCE), 1.0)] == sorted(taken)
    assert unhindered(lambda: _intake(stack, officer, late[0][0], submission()), 1.0).status_code == 201


def test_a_write_that_has_begun_is_acknowledged_however_late(fronted, submission):
    """The commit takes longer than the request may: it isn't reported as failed."""
    stack = fronted(serves_within=5.5)
    officer = unhindered(stack.officer, 5.5)
    order = {"kind": "slow-database", "attributes": {"delay": 7000}, "lease": 60}
    assert stack.http.put(stack.url(PROVINCE) + "/control/faults/slow", json=order, headers=BEARER).status_code == 200
    began = time.monotonic()
    answer = _intake(stack, officer, stack.key(), submission())
    assert answer.status_code == 201
    assert time.monotonic() - began >= 6.99
    assert stack.get(PROVINCE, "/statistics").status_code == 504, "a look-up writes nothing, so it is given up"


def _intake(stack, officer, key, content):
    return stack.post(PROVINCE, "/counter/dossiers", content, headers={**officer, **key})
