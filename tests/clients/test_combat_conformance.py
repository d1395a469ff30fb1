"""RFC 6455 on combat's own endpoint: Autobahn's cases, by the echo that a test configures."""

import asyncio
import contextlib

import pytest
import websockets
from kosoku import FailureError, run_fuzzingclient

from support import run

ECHO = "echo.v1"
PATH = "/api/v1/combat/sessions/conformance/ws"

# Messages of up to 16 MiB, as large as the echo takes them.
CASES = [
    "1.*",
    "2.*",
    "3.*",
    "4.*",
    "5.*",
    "6.*",
    "7.*",
    "10.*",
    "9.*",
]

# Those of permessage-deflate.
COMPRESSION = ["12.*", "13.*"]


async def head(reader: asyncio.StreamReader) -> list[bytes]:
    return (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@contextlib.asynccontextmanager
async def asking_for_the_echo(port: int):
    """The suite offers no sub-protocol: this does, and passes every byte after the handshake."""

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
            asked = await head(reader)
            asked.append(b"Sec-WebSocket-Protocol: " + ECHO.encode())
            server_writer.write(b"\r\n".join(asked) + b"\r\n\r\n")
            lines = await head(server_reader)
            told = [
                line for line in lines if not line.lower().startswith(b"sec-websocket-protocol")
            ]
            assert len(told) == len(lines) - 1, lines
            writer.write(b"\r\n".join(told) + b"\r\n\r\n")
            await asyncio.gather(pump(reader, server_writer), pump(server_reader, writer))
            server_writer.close()
        writer.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxy:
        yield proxy.sockets[0].getsockname()[1]


def test_none_of_autobahns_cases_fails(own_server):
    server = own_server("--websocket-echo", "on")

    async def drive():
        async with asking_for_the_echo(server.port) as port:
            try:
                return await run_fuzzingclient(f"ws://127.0.0.1:{port}{PATH}", CASES, concurrency=4)
            except FailureError as failure:
                pytest.fail(str(failure))

    results = asyncio.run(asyncio.wait_for(drive(), 120))
    assert len(results) > 250
    assert server.stop() == 0


def test_the_extension_of_compression_is_declined(own_server):
    """What the suite offers in each of its cases, and that nothing of it is in the answer."""
    server = own_server("--websocket-echo", "on")

    async def drive():
        async with asking_for_the_echo(server.port) as port:
            with pytest.raises(FailureError) as failure:
                await run_fuzzingclient(f"ws://127.0.0.1:{port}{PATH}", COMPRESSION, concurrency=4)
            return failure.value.results

    results = asyncio.run(asyncio.wait_for(drive(), 120))
    assert len(results) > 200
    for result in results:
        assert "permessage-deflate" in result.http_request.lower(), result.case_id
        assert " 101 " in result.http_response.splitlines()[0], result.case_id
        assert "extensions" not in result.http_response.lower(), result.case_id
        assert result.behavior.value == "UNIMPLEMENTED", result.case_id


def test_there_is_no_echo_where_nobody_configured_it(server):
    async def connect():
        url = f"ws://{server.address}{PATH}"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, subprotocols=[ECHO])
        assert refused.value.response.status_code == 400

    asyncio.run(connect())


def test_production_refuses_the_echo(binary, tmp_path):
    environment = {"JWT_SECRET": "of the conformance tests, and of nothing else"}
    command = [binary, "serve", "--environment", "production", "--websocket-echo", "on"]
    command += ["--http-addr", "127.0.0.1:0", "--database-url", "memory:"]
    done = run(*command, env=environment, cwd=tmp_path, text=True)
    assert done.returncode != 0
    assert "websocket-echo" in done.stderr + done.stdout
