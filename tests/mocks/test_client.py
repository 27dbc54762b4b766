"""The client of a link, against servers that misbehave."""

import asyncio

import psutil
import pytest

from mocks.client import Client, LinkError, Received

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def talk(serve, *, requests=1, timeout=30.0, headers=None, **options):
    """Send requests to a server that handles each connection with ``serve``; returns answers and errors."""

    async def inside():
        connections = []

        async def handle(reader, writer):
            connections.append(writer)
            try:
                await serve(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        client = Client(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout, **options)
        answers = []
        for _ in range(requests):
            try:
                answers.append(await client.request("POST", "/", b"x", headers))
            except LinkError as error:
                answers.append(error)
            await asyncio.sleep(0.01)
        client.close()
        server.close()
        await asyncio.sleep(0.01)
        return answers, len(connections)

    return asyncio.run(inside())


async def request(reader):
    return await reader.readuntil(b"\r\n\r\nx")


async def polite(reader, writer):
    while True:
        try:
            await request(reader)
        except asyncio.IncompleteReadError:
            return
        writer.write(OK)


async def silent(reader, writer):
    await reader.read()


async def hangs_up(reader, writer):
    await request(reader)


async def babbles(reader, writer):
    await request(reader)
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    await reader.read()


async def stops_halfway(reader, writer):
    await request(reader)
    writer.write(OK[:-1])


async def once(reader, writer):
    await request(reader)
    writer.write(OK)


async def says_close(reader, writer):
    await request(reader)
    writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await reader.read()


def test_a_connection_is_kept():
    answers, connections = talk(polite, requests=3)
    assert answers == [Received(200, b"ok")] * 3
    assert connections == 1


@pytest.mark.parametrize("serve", [once, says_close])
def test_a_connection_that_was_closed_is_replaced(serve):
    answers, connections = talk(serve, requests=3)
    assert answers == [Received(200, b"ok")] * 3
    assert connections == 3


@pytest.mark.parametrize(
    ("serve", "timed_out"), [(silent, True), (hangs_up, False), (babbles, False), (stops_halfway, False)]
)
def test_no_answer_is_an_error_that_says_whether_the_other_side_kept_silent(serve, timed_out):
    (error,), _ = talk(serve, timeout=0.3 if timed_out else 30.0)
    assert isinstance(error, LinkError)
    assert error.timed_out == timed_out


def test_a_refused_connection_is_an_error():
    with pytest.raises(LinkError) as caught:
        asyncio.run(Client("127.0.0.1:1", 30.0).request("GET", "/"))
    assert not caught.value.timed_out


@pytest.mark.parametrize(("spendthrift", "opened"), [(False, 1), (True, 4)])
def test_a_connection_is_used_again_unless_the_defect_leaves_each_open(spendthrift, opened):
    async def keep_alive(reader, writer):
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\nx")
            writer.write(OK)

    answers, connections = talk(keep_alive, requests=4, spendthrift=spendthrift)
    assert (answers, connections) == ([Received(200, b"ok")] * 4, opened)


@pytest.mark.parametrize("spendthrift", [False, True])
def test_the_defect_keeps_its_side_open_when_the_other_one_closes(spendthrift):
    expected = [psutil.CONN_CLOSE_WAIT] * 5 if spendthrift else []

    async def idle_timeout():
        closed = 0

        async def once(reader, writer):
            nonlocal closed
            await reader.readuntil(b"\r\n\r\nx")
            writer.write(OK)
            await asyncio.sleep(0.05)
            writer.close()
            await writer.wait_closed()
            closed += 1

        async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            client = Client(f"127.0.0.1:{port}", 30.0, spendthrift=spendthrift)
            for _ in range(5):
                await client.request("POST", "/", b"x")
                await asyncio.sleep(0.1)
            async with asyncio.timeout(30):
                while closed < 5 or connected_to(port) != expected:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)
            left = connected_to(port)
            client.close()
            return left

    assert asyncio.run(idle_timeout()) == expected


def connected_to(port):
    """Return how it is with each connection of this process to a port."""
    held = psutil.Process().net_connections("tcp4")
    return [connection.status for connection in held if connection.raddr and connection.raddr.port == port]


def test_a_request_names_the_system_that_sends_it():
    heads = []

    async def note(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    talk(note, sender="province:01")
    assert b"\r\nX-Sender: province:01\r\n" in heads[0]


@pytest.mark.parametrize("media", ["application/json", "application/xml"])
def test_a_body_is_json_unless_its_sender_says_what_it_is(media):
    heads = []

    async def note(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    talk(note, headers={} if media == "application/json" else {"Content-Type": media})
    assert [line for line in heads[0].split(b"\r\n") if line.lower().startswith(b"content-type")] == [
        f"Content-Type: {media}".encode()
    ]
