"""The page says what is wrong, and goes on by itself when it is over: without a reload."""

from __future__ import annotations

import glob
import json
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import expect

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import Site, websocket_url
from tests.console.test_browser_look import assert_accessible
from tests.end_to_end.footage import Footage

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Rules of mosquitto's plugin for dynamic security, with which it refuses subscriptions; access files only filter.
_MAY = {"subscribe": False, "unsubscribe": True, "publishClientSend": True, "publishClientReceive": True}
_NOBODY_SUBSCRIBES = json.dumps({"defaultACLAccess": _MAY, "clients": [], "groups": [], "roles": []})


@pytest.mark.slow
async def test_a_reload_finds_the_picture_again(page: ConsolePage, footage: Footage) -> None:
    await page.camera.click()
    await page.moving_pictures()
    await page.page.reload()
    await page.moving_pictures()
    footage.assert_plays(await page.frames(5))


@pytest.mark.slow
async def test_a_broker_that_restarts_costs_neither_picture_nor_control(
    page: ConsolePage, site: Site, footage: Footage
) -> None:
    await page.camera.click()
    await page.moving_pictures()
    await site.robot.broker.stop()
    await page.sees(page.banner, "broker")
    await page.moving_pictures()  # media does not pass through the broker
    await page.page.wait_for_selector(".conversation input:disabled")  # what is typed does
    await site.robot.broker.start()
    await page.ready()
    await page.banner.wait_for(state="detached")
    await page.button("shy").click()
    await page.page.wait_for_selector(".oled img[data-emotion=shy]")
    footage.assert_plays(await page.frames(5))


@pytest.mark.slow
async def test_a_robot_that_is_killed_and_comes_back(page: ConsolePage, site: Site, footage: Footage) -> None:
    await page.camera.click()
    await page.moving_pictures()
    question = page.page.get_by_role("dialog", name="asks")
    await page.button("Mute").click()
    await question.wait_for()
    await site.robot.kill()
    await question.wait_for(state="hidden")  # nobody waits for the answer any more
    await page.sees(page.banner, "tests/robot is offline.")
    await page.sees(page.overlay, "Waiting for a robot")
    await site.robot.start()
    await page.ready()
    await page.sees(page.overlay, "The camera is off")
    await page.camera.click()
    await page.moving_pictures()
    footage.assert_plays(await page.frames(5))


@pytest.mark.slow
async def test_a_camera_that_somebody_else_switches(page: ConsolePage, site: Site) -> None:
    await site.call("control_camera", {"enabled": True})
    await page.moving_pictures()
    await expect(page.camera).to_have_attribute("aria-checked", "true")
    await site.call("control_camera", {"enabled": False})
    await page.sees(page.overlay, "The camera is off")
    await expect(page.camera).to_have_attribute("aria-checked", "false")


@pytest.mark.slow
async def test_a_broker_that_wants_a_password_gets_it_from_a_form(site: Site, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "anna", "secret"], check=True)
    async with (
        PrivateBroker(websocket_port=0, anonymous=False, extra=f"password_file {passwords}") as broker,
        serving(Console(port=0, broker_url=websocket_url(broker), username="anna")) as url,
        visit(site.browser, url, tmp_path) as page,
    ):
        form = page.page.get_by_role("form", name="Sign in")
        await page.sees(form, "asks who you are")
        await assert_accessible(page.page)
        assert await form.get_by_role("alert").inner_text() == "", "blamed before anything was typed"
        await page.page.keyboard.type("guess")  # the user is known: the password's field has the keyboard
        await page.page.keyboard.press("Enter")
        await page.sees(form, "does not accept")
        await assert_accessible(page.page)
        await form.get_by_label("Password", exact=True).fill("secret")
        await page.page.keyboard.press("Enter")
        await page.sees(page.banner, "No robot is online")
        await page.page.reload()
        await page.sees(page.banner, "No robot is online")  # kept for the session
        assert "secret" not in str(await page.page.evaluate("JSON.stringify(localStorage)"))


@pytest.mark.slow
async def test_a_broker_that_does_not_tell_who_is_online(site: Site, tmp_path: Path) -> None:
    (plugin,) = glob.glob("/usr/lib/*/mosquitto_dynamic_security.so")  # noqa: PTH207  # short
    rules = tmp_path / "rules.json"
    rules.write_text(_NOBODY_SUBSCRIBES)
    extra = f"plugin {plugin}\nplugin_opt_config_file {rules}"
    async with (
        PrivateBroker(websocket_port=0, extra=extra) as broker,
        serving(Console(port=0, broker_url=websocket_url(broker))) as url,
        visit(site.browser, url, tmp_path) as page,
    ):
        await page.sees(page.banner, "refuses the subscription")
        await page.button("Settings").first.click()
        await page.page.get_by_label("Broker address").fill(websocket_url(site.broker))
        await page.button("Save").click()
        await page.ready()


@pytest.mark.slow
async def test_a_broker_that_is_not_there_yet(site: Site, tmp_path: Path) -> None:
    broker = PrivateBroker(websocket_port=0)
    async with (
        serving(Console(port=0, broker_url=websocket_url(broker))) as url,
        visit(site.browser, url, tmp_path) as page,
    ):
        await page.sees(page.banner, "cannot be reached")
        async with broker:
            await page.sees(page.banner, "No robot is online")
