"""Access to the HTTP server, and what strangers get."""

from __future__ import annotations

import httpx2
import pytest
from pydantic import ValidationError

from robot_node.settings.http import HttpSettings
from tests.robot.web.conftest import TOKEN, HttpServer, running_server


async def test_the_token_opens_as_bearer_token_and_as_password() -> None:
    async with running_server(HttpSettings(port=0, token=TOKEN)) as server:
        await server.camera.start()
        refused = await server.client.get("/snapshot.jpg")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic ")
        bearer = await server.client.get("/snapshot.jpg", headers={"Authorization": f"Bearer {TOKEN}"})
        password = await server.client.get("/snapshot.jpg", auth=("anybody", TOKEN))
        assert [bearer.status_code, password.status_code] == [200, 200]


async def test_every_path_needs_the_token_but_the_health() -> None:
    async with running_server(HttpSettings(port=0, token=TOKEN)) as server:
        for path in ("/", "/snapshot.jpg", "/stream.mjpeg", "/whep", "/whep/x", "/metrics", "/clips/", "/nowhere"):
            assert (await server.client.get(path)).status_code == 401
        assert (await server.client.get("/healthz")).json() == {"online": False}


async def test_who_guesses_has_to_wait() -> None:
    async with running_server(HttpSettings(port=0, token=TOKEN)) as server:
        wrong = [await server.client.get("/whep", auth=("a", "wrong" * 4)) for _ in range(12)]
        assert {each.status_code for each in wrong} == {401, 429}
        assert wrong[-1].status_code == 429
        assert int(wrong[-1].headers["retry-after"]) > 0
        # Even with the right one: else the answer would tell when a guess was right.
        assert (await server.client.get("/whep", auth=("a", TOKEN))).status_code == 429


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic Zm9v", "Bearer", "Digest x", "Basic " + "A" * 9000])
async def test_any_header_is_only_wrong(header: str) -> None:
    async with running_server(HttpSettings(port=0, token=TOKEN)) as server:
        assert (await server.client.get("/metrics", headers={"Authorization": header})).status_code == 401


async def test_the_health_tells_whether_agents_can_reach_the_robot(server: HttpServer) -> None:
    assert (await server.client.get("/healthz")).status_code == 503
    server.state.update(mcp_connected=True)
    assert (await server.client.get("/healthz")).status_code == 200


async def test_pages_of_other_sites_and_other_names_are_refused(server: HttpServer) -> None:
    for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)):
        assert (await server.client.get("/snapshot.jpg", headers=headers)).status_code == status


def loads(site: str, *, dest: str = "image", **more: str) -> dict[str, str]:
    """Headers of a browser that loads something as a part of a page, or follows a link to a document."""
    mode = "navigate" if dest in {"document", "iframe"} else "no-cors"
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, **more}


PATHS = ("/snapshot.jpg", "/stream.mjpeg", "/clips/x.mp4", "/")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        loads("cross-site"),
        loads("same-site"),  # another port of this machine: another server
        loads("cross-site", dest="iframe"),
        loads("cross-site", dest="document", **{"Sec-Purpose": "prefetch;prerender"}),
        loads("cross-site", Referer="https://evil.example/http://127.0.0.1/"),
    ],
)
async def test_pages_of_other_sites_may_not_show_pictures_of_the_robot(path: str, headers: dict[str, str]) -> None:
    async with running_server(HttpSettings(port=0, token=TOKEN)) as server:
        await server.camera.start()
        refused = await server.client.get(path, headers=headers, auth=("anybody", TOKEN))
        assert refused.status_code == 403
        assert refused.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [{}, loads("none", dest="document"), loads("same-origin"), loads("cross-site", dest="document")],
    ids=["no browser", "address bar", "own page", "link"],
)
async def test_who_opens_a_picture_by_its_own_page_or_a_link_gets_it(
    server: HttpServer, headers: dict[str, str]
) -> None:
    await server.camera.start()
    picture = await server.client.get("/snapshot.jpg", headers=headers)
    assert picture.status_code == 200
    assert picture.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_page_that_the_settings_name_may_show_pictures() -> None:
    allowed = HttpSettings(port=0, embed_origins=("http://Home.example:8123",))
    async with running_server(allowed) as server:
        await server.camera.start()
        for referer, status in (
            ("http://home.example:8123/", 200),
            ("http://home.example:8123/lovelace?a=b", 200),
            ("http://home.example:8123.evil.example/", 403),
            ("http://home.example/", 403),
            ("", 403),
        ):
            shown = await server.client.get("/snapshot.jpg", headers=loads("cross-site", Referer=referer))
            assert shown.status_code == status, referer
            policy = "cross-origin" if status == 200 else "same-origin"
            assert shown.headers["cross-origin-resource-policy"] == policy


@pytest.mark.parametrize("origin", ["home.example", "http://home.example/", "*", "http://a@home.example", "null"])
def test_an_origin_has_scheme_and_host_alone(origin: str) -> None:
    with pytest.raises(ValidationError, match="embed_origins"):
        HttpSettings(embed_origins=(origin,))


@pytest.mark.parametrize("host", ["192.0.2.1", "fd00::1", "::", "robot.local"])
def test_beyond_this_machine_a_token_is_required(host: str) -> None:
    with pytest.raises(ValidationError, match="token"):
        HttpSettings(enabled=True, host=host)
    assert HttpSettings(enabled=True, host=host, token=TOKEN).token == TOKEN
    assert TOKEN not in repr(HttpSettings(token=TOKEN))


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "ümläute-sind-nicht-ascii"])
def test_a_token_that_would_not_protect_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand"):
        HttpSettings(token=token)


async def test_a_path_that_does_not_exist_is_told(server: HttpServer) -> None:
    response: httpx2.Response = await server.client.get("/../etc/passwd")
    assert response.status_code == 404
