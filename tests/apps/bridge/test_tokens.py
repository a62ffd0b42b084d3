"""Who may use the bridge over HTTP: its own token, tokens of authorization servers, and what everybody else is told."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from robot_node.apps.bridge.http import HttpAddress
from robot_node.apps.bridge.http_guard import BearerOnly
from robot_node.apps.bridge.tokens import HttpAccess, Tokens, metadata_urls, read_token
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import SettingsError
from tests.apps.bridge.agents import Message, bridge_process, scripted_robot
from tests.apps.bridge.authorization_server import AuthorizationServer, authorization_server
from tests.command import command
from tests.waiting import DEADLINE_S, eventually

TOKEN = "0123456789abcdef0123"
NOD: Message = {"name": "nod", "inputSchema": {"type": "object"}}
URL = "https://robots.example/mcp"


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(port: int, method: str = "POST", path: str = "/mcp", body: bytes = b"{}", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection.request(method, path, body, usual | {name.replace("_", "-"): text for name, text in headers.items()})
    answered = connection.getresponse()
    answer = Answer(answered.status, answered.headers, answered.read())
    connection.close()
    return answer


async def test_a_bridge_that_others_can_reach_is_used_with_its_token_only(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    issuer = ("--issuer", "https://login.example", "--public-url", URL)
    options = ("--http", "127.0.0.1:0", "--token-file", str(file), *issuer)
    async with scripted_robot(broker, [NOD]), bridge_process(broker, tmp_path, *options) as bridge:
        await eventually(lambda: URL in bridge.log, "the bridge says where it listens")
        (port,) = listening_ports(bridge.process.pid)
        async with (
            create_mcp_http_client(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
            Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=session)) as client,
        ):
            assert {tool.name for tool in (await client.list_tools()).tools} == {"list_robots", "nod"}

        refused = ask(port, Authorization="Bearer wrong")
        assert refused.status == 401
        metadata = "https://robots.example/.well-known/oauth-protected-resource/mcp"
        assert f'resource_metadata="{metadata}"' in refused.headers["WWW-Authenticate"]
        for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
            published = json.loads(ask(port, "GET", path, Host="robots.example").body)  # as a proxy passes it on
            assert published["resource"] == URL
            assert published["authorization_servers"] == ["https://login.example/"]
            assert published["bearer_methods_supported"] == ["header"]
        assert ask(port).status == 401

        while (limited := ask(port, Authorization="Bearer wrong")).status == 401:
            pass
        assert limited.status == 429
        assert 1 <= int(limited.headers["Retry-After"]) <= 6
        assert TOKEN not in bridge.log
        assert await bridge.terminate() == 0
    assert "Refused a request from 127.0.0.1: 401, no valid token." in bridge.log
    assert "Refused a request from 127.0.0.1: 429, too many wrong tokens." in bridge.log


def listening_ports(pid: int) -> list[int]:
    """The TCP ports at which a process listens."""
    inodes = {file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


@pytest.fixture(scope="module")
def login() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


def verifier(*issuers: str) -> Tokens:
    return Tokens(HttpAccess(token=TOKEN, issuers=issuers), URL)


async def test_a_token_of_ones_own_authorization_server_is_valid(login: AuthorizationServer) -> None:
    tokens = verifier(login.issuer)
    claims: list[Message] = [{}, {"aud": f"{URL}/"}, {"client_id": "claude"}]
    found = [await tokens.verify_token(login.token(URL, **each)) for each in claims]
    assert [each and each.client_id for each in found] == ["anna", "anna", "claude"]
    assert {each and (each.subject, (each.claims or {})["iss"]) for each in found} == {("anna", login.issuer)}
    assert login.requests.count("/keys") == 1
    assert (await tokens.verify_token(TOKEN)) is not None


async def test_other_tokens_are_not(login: AuthorizationServer, caplog: pytest.LogCaptureFixture) -> None:
    tokens = verifier(login.issuer)
    past = int(time.time()) - 3600
    wrong = {
        "of another audience": login.token("https://another.example/mcp"),
        "expired": login.token(URL, exp=past),
        "never expires": login.token(URL, exp=None),
        "not yet valid": login.token(URL, nbf=past + 7200),
        "of another issuer": login.token(URL, iss="https://login.attacker.example"),
        "signed by another": login.token(URL, key=ec.generate_private_key(ec.SECP256R1())),
        "unsigned": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
        "no JSON": "a.b.c",
        "too long": f"{'x' * 9000}.x.x",
        "empty": "",
        "not ASCII": "\u00fc",
    }
    assert {reason: await tokens.verify_token(token) for reason, token in wrong.items()} == dict.fromkeys(wrong)
    assert "Refused a token of an issuer that --issuer does not name." in caplog.text
    assert await verifier().verify_token(login.token(URL)) is None


@pytest.mark.parametrize(
    "metadata", [{"issuer": "https://another.example"}, {"jwks_uri": None}, {"jwks_uri": "file:///x"}]
)
async def test_metadata_that_cannot_be_trusted_gives_no_keys(
    login: AuthorizationServer, monkeypatch: pytest.MonkeyPatch, metadata: Message
) -> None:
    monkeypatch.setattr(login, "metadata", metadata)
    assert await verifier(login.issuer).verify_token(login.token(URL)) is None


def test_where_metadata_is_looked_for() -> None:
    assert metadata_urls("https://login.example/realms/home") == (
        "https://login.example/.well-known/oauth-authorization-server/realms/home",
        "https://login.example/realms/home/.well-known/openid-configuration",
    )


def test_beyond_loopback_a_token_is_required(broker: PrivateBroker) -> None:
    with pytest.raises(SettingsError, match="beyond loopback a token is required"):
        HttpAddress.parse("pi.local:8765").check(HttpAccess())
    HttpAddress.parse("pi.local:8765").check(HttpAccess(token=TOKEN))
    HttpAddress.parse("8765").check(HttpAccess())
    failed = command("bridge", "--http", f"{socket.gethostname()}:0", broker=broker)
    assert failed.status == 1
    assert "beyond loopback a token is required. Add --token-file FILE" in failed.stderr


def test_the_token_is_read_from_a_file_or_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_token(None) == ""
    file = tmp_path / "bridge-token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(file) == TOKEN
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_token(None) == TOKEN
    for short in ("short", "two words that are long", ""):
        file.write_text(short)
        with pytest.raises(SettingsError, match="openssl rand"):
            read_token(None)
    with pytest.raises(SettingsError, match="No such file"):
        read_token(tmp_path / "absent")


@pytest.mark.parametrize(
    "url", ["http://login.example", "login.example", "https://", "https://a.example/?x=1", "file:///x"]
)
def test_a_url_that_tokens_cannot_be_checked_with_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"--issuer .* is not usable"):
        HttpAccess(issuers=(url,))


async def test_wrong_tokens_of_one_address_do_not_lock_out_another() -> None:
    now = 0.0
    let_in: list[str] = []

    async def app(scope: Message, _receive: object, send: object) -> None:
        del send
        let_in.append(scope["client"][0])

    guard = BearerOnly(app, HttpAccess(token=TOKEN), URL, clock=lambda: now)  # type: ignore[arg-type]  # as ASGI calls it

    async def status(host: str, token: str | None) -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        scope: Message = {"type": "http", "path": "/mcp", "client": (host, 1), "headers": headers, "method": "POST"}
        await guard(scope, None, send)  # type: ignore[arg-type]  # nothing is received
        return int(sent[0]["status"]) if sent else 0

    assert [await status("192.0.2.1", None) for _ in range(30)] == [401] * 30  # nothing was tried
    assert [await status("192.0.2.1", "wrong") for _ in range(12)] == [401] * 10 + [429] * 2
    assert await status("192.0.2.1", TOKEN) == 429
    assert await status("192.0.2.2", TOKEN) == 0
    now = 6.0
    assert await status("192.0.2.1", TOKEN) == 0
    assert let_in == ["192.0.2.2", "192.0.2.1"]
