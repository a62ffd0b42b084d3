"""From answers and a machine to actions."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.apps.setup import survey
from robot_node.apps.setup.actions import (
    Action,
    EnableInterface,
    EnableUnit,
    JoinGroups,
    MakeUser,
    ReloadUnits,
    Remove,
    RemoveUser,
    StartUnit,
    WriteFile,
)
from robot_node.apps.setup.answers import Answers
from robot_node.apps.setup.plan import installation, removal
from robot_node.apps.setup.survey import Entry, Machine, read_template
from robot_node.errors import SettingsError, SetupError
from robot_node.settings.devices import DisplaySettings

UNIT = read_template(survey.UNIT)
ANSWERS = Answers(
    server_id="robot-node-kitchen",
    server_name="robot-node/kitchen",
    url="mqtt://broker:1883",
    username=None,
    password=None,
    driver="ssd1306",
    interface="i2c",
    camera="0",
    upside_down=False,
)
GROUPS = {"root": 0, "video": 44, "render": 104, "i2c": 994, "spi": 995, "gpio": 993, "audio": 29}
A_PI = Machine(groups=GROUPS, interfaces=frozenset({"i2c", "spi"}))


def actions(answers: Answers, machine: Machine, *, program: str = survey.PROGRAM) -> list[Action]:
    """What is planned on a machine that runs, whose broker is there."""
    plan = installation(
        answers,
        machine,
        template=read_template("robot-node.toml"),
        unit=UNIT,
        program=program,
        start=True,
        wait=True,
    )
    return list(plan.actions)


def done(answers: Answers) -> Machine:
    """A Pi after it was set up."""
    files = {action.path: action for action in actions(answers, A_PI) if isinstance(action, WriteFile)}
    folders = {survey.SETTINGS_FOLDER: (0o750, 990), survey.CREDENTIALS: (0o700, 0)}
    return Machine(
        entries={
            **{path: Entry(mode, 0, group) for path, (mode, group) in folders.items()},
            **{
                path: Entry(file.mode, 0, 990 if file.group == survey.USER else 0, file.text)
                for path, file in files.items()
            },
            survey.LINK: Entry(0o777, 0, 0, survey.PROGRAM),
        },
        groups={**GROUPS, survey.USER: 990},
        users={survey.USER: 990},
        members=frozenset(survey.GROUPS),
        enabled=True,
        active=True,
    )


def test_a_fresh_pi_gets_everything_and_the_robot_is_started_last() -> None:
    planned = actions(ANSWERS, A_PI)
    assert planned[0] == MakeUser("robot-node", survey.GROUPS, "/var/lib/robot-node")
    assert [action.path for action in planned if isinstance(action, WriteFile)] == [survey.SETTINGS, survey.UNIT_FILE]
    assert planned[-3:] == [ReloadUnits(), EnableUnit(survey.UNIT), StartUnit(survey.UNIT, wait=True)]
    assert EnableInterface("i2c") in planned
    assert EnableInterface("spi") not in planned


def test_a_second_time_there_is_nothing_to_do() -> None:
    assert actions(ANSWERS, done(ANSWERS)) == []


def test_a_robot_that_does_not_run_is_started() -> None:
    assert actions(ANSWERS, replace(done(ANSWERS), active=False)) == [StartUnit(survey.UNIT, wait=True)]
    outdated = [ReloadUnits(), StartUnit(survey.UNIT, wait=True)]
    assert actions(ANSWERS, replace(done(ANSWERS), outdated=True)) == outdated


def test_another_answer_changes_the_file_and_starts_the_robot_anew() -> None:
    planned = actions(ANSWERS.with_name("hall"), done(ANSWERS))
    assert [type(action) for action in planned] == [WriteFile, StartUnit]
    assert isinstance(planned[0], WriteFile)
    assert 'server_name = "robot-node/hall"' in planned[0].text


def test_a_name_has_no_blanks_around_it_and_is_neither_empty_nor_endless() -> None:
    assert ANSWERS.with_name(" Küche 2 ").server_id == "robot-node-Küche 2"
    for name in (" ", "x" * 101):
        with pytest.raises(SettingsError, match="Use 1 to 100 characters"):
            ANSWERS.with_name(name)


def test_a_mode_that_somebody_changed_is_put_right() -> None:
    machine = done(ANSWERS)
    loose = {**machine.entries, survey.SETTINGS: replace(machine.entries[survey.SETTINGS], mode=0o666)}
    planned = actions(ANSWERS, replace(machine, entries=loose))
    assert [action.path for action in planned if isinstance(action, WriteFile)] == [survey.SETTINGS]


def test_a_password_goes_into_a_file_that_root_alone_reads() -> None:
    with_password = ANSWERS.with_credentials("kitchen", "hunter2")
    files = {action.path: action for action in actions(with_password, A_PI) if isinstance(action, WriteFile)}
    assert (files[survey.PASSWORD].text, files[survey.PASSWORD].mode, files[survey.PASSWORD].group) == (
        "hunter2",
        0o600,
        "root",
    )
    assert "hunter2" not in files[survey.SETTINGS].text
    assert not [action for action in actions(with_password, A_PI) if "hunter2" in f"{action} {action!r}"]


def test_a_password_that_was_written_with_echo_is_the_same() -> None:
    locked = ANSWERS.with_credentials("kitchen", "hunter2")
    machine = done(locked)
    echoed = {**machine.entries, survey.PASSWORD: replace(machine.entries[survey.PASSWORD], text="hunter2\n")}
    machine = replace(machine, entries=echoed)
    assert machine.password == locked.password
    assert actions(locked, machine) == []


def test_a_person_who_is_called_like_our_user_is_neither_used_nor_removed() -> None:
    machine = replace(done(ANSWERS), users={survey.USER: 1000})
    with pytest.raises(SetupError, match="login user robot-node exists"):
        actions(ANSWERS, machine)
    removed = removal(machine, program=survey.PROGRAM, running=True).actions
    assert not [action for action in removed if isinstance(action, RemoveUser)]


def test_a_password_that_is_needed_no_more_is_removed() -> None:
    assert Remove(survey.PASSWORD) in actions(ANSWERS, done(ANSWERS.with_credentials("kitchen", "hunter2")))


def test_a_password_in_the_settings_file_moves_out_of_it() -> None:
    machine = done(ANSWERS)
    text = '[broker]\nusername = "kitchen"\npassword = "hunter2"\n'
    entries = {**machine.entries, survey.SETTINGS: replace(machine.entries[survey.SETTINGS], text=text)}
    planned = actions(ANSWERS.with_credentials("kitchen", "hunter2"), replace(machine, entries=entries))
    files = {action.path: action.text for action in planned if isinstance(action, WriteFile)}
    assert files[survey.PASSWORD] == "hunter2"
    assert "hunter2" not in files[survey.SETTINGS]


def test_a_display_on_spi_needs_spi_and_none_needs_nothing() -> None:
    on_spi = replace(ANSWERS, interface="spi")
    assert [action for action in actions(on_spi, A_PI) if isinstance(action, EnableInterface)] == [
        EnableInterface("spi")
    ]
    without = replace(ANSWERS, driver="none")
    assert not [action for action in actions(without, A_PI) if isinstance(action, EnableInterface)]


def test_groups_that_came_later_are_joined() -> None:
    machine = replace(done(ANSWERS), members=frozenset({"video", "render"}))
    assert actions(ANSWERS, machine)[0] == JoinGroups("robot-node", ("i2c", "spi", "gpio", "audio"))


def test_a_machine_that_lacks_groups_or_has_the_program_elsewhere_gets_a_drop_in() -> None:
    machine = Machine(groups={"root": 0, "video": 44})
    (drop_in,) = [
        action
        for action in actions(ANSWERS, machine, program="/srv/robot/bin/robot-node")
        if isinstance(action, WriteFile) and action.path == survey.DROP_IN
    ]
    assert "ExecStart=\nExecStart=/srv/robot/bin/robot-node run --config /etc/robot-node/robot-node.toml\n" in (
        drop_in.text
    )
    assert drop_in.text.endswith("SupplementaryGroups=\nSupplementaryGroups=video\n")


def test_a_drop_in_that_is_needed_no_more_is_removed() -> None:
    machine = done(ANSWERS)
    entries = {**machine.entries, survey.DROP_IN: Entry(0o644, 0, 0, "[Service]\n")}
    assert Remove(survey.DROP_IN) in actions(ANSWERS, replace(machine, entries=entries))


@pytest.mark.parametrize("program", ["/home/anna/robot-node/.venv/bin/robot-node", "/root/venv/bin/robot-node"])
def test_a_program_that_the_service_may_not_see_is_refused(program: str) -> None:
    with pytest.raises(SetupError, match=r"\(ProtectHome=, PrivateTmp=\)\. Install it into /opt/robot-node"):
        actions(ANSWERS, A_PI, program=program)


def test_the_brokers_user_is_the_robots_id_for_the_brokers_rules() -> None:
    answers = ANSWERS.with_broker("mqtts://robot-kitchen:hunter2@broker:8883")
    assert (answers.server_id, answers.server_name) == ("robot-kitchen", "robot-node/kitchen")
    assert (answers.url, answers.username, answers.password) == ("mqtts://broker:8883", "robot-kitchen", "hunter2")
    assert ANSWERS.with_credentials("a/b", None).server_id == "robot-node-kitchen"


def test_a_websockets_path_is_kept() -> None:
    assert ANSWERS.with_broker("wss://broker/rooms/mqtt").url == "wss://broker:8084/rooms/mqtt"


@pytest.mark.parametrize("name", ["a/b", "a+b", "#", ""])
def test_a_name_that_breaks_topics_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="is not a valid robot name"):
        ANSWERS.with_name(name)


@pytest.mark.parametrize("controller", ["ssd1306", "sh1106"])
def test_a_connected_display_says_which_it_is(controller: Literal["ssd1306", "sh1106"]) -> None:
    pi = simulated_platform(controller=controller)
    assert survey.find_controller(pi.platform, DisplaySettings()) == controller
    assert survey.find_controller(pi.platform, DisplaySettings(address=0x3D)) is None, "none is connected there"
    assert pi.i2c.open_interfaces == 0
    pi.oled.answers_reads = False
    assert survey.find_controller(pi.platform, DisplaySettings()) is None
