"""The MQTT connection, against real mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import random
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.errors import BrokerError, SettingsError
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    ConnectOptions,
    Incoming,
    ReconnectError,
    Subscription,
    cancel_and_wait,
    connect,
    keep_connected,
)
from robot_node.private_broker import PrivateBroker

ONE = ConnectOptions(client_id="one")
PATIENCE_S = 45.0


def ignore(_: Incoming) -> None:
    """Receive nothing."""


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # what is awaited here has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://host", Broker("host", 1883)),
        ("mqtts://host", Broker("host", 8883, tls=True)),
        ("mqtt://u:p%40ss@host:1", Broker("host", 1, username="u", password="p@ss")),
        ("ws://host", Broker("host", 8083, transport="websockets")),
        ("wss://host:9/path", Broker("host", 9, transport="websockets", tls=True, path="/path")),
        ("mqtt://[::1]:1883", Broker("::1", 1883)),
    ],
)
def test_an_address_is_read(url: str, broker: Broker) -> None:
    assert Broker.from_url(url) == broker


@pytest.mark.parametrize("url", ["", "host", "http://host", "mqtt://", "mqtt://host:port", "mqtt://host:99999"])
def test_an_address_that_cannot_be_read_is_an_error_with_an_example(url: str) -> None:
    with pytest.raises(SettingsError, match="mqtt://host:1883"):
        Broker.from_url(url)


def test_credentials_beside_the_address_are_used_unless_it_has_its_own() -> None:
    assert Broker.from_url("mqtt://h", username="u", password="p") == Broker("h", 1883, username="u", password="p")
    assert Broker.from_url("mqtt://a:b@h", username="u", password="p") == Broker("h", 1883, username="a", password="b")


@given(st.text())
def test_no_text_never_shows_the_password(password: str) -> None:
    broker = Broker("host", 1, username="u", password=f"secret{password}")
    assert "secret" not in f"{broker} {broker!r}"
    with contextlib.suppress(SettingsError):
        Broker.from_url(password)


def test_an_address_is_shown_without_credentials() -> None:
    assert str(Broker("host", 8084, transport="websockets", tls=True, username="u", password="p")) == "wss://host:8084"
    assert str(Broker("::1", 1883)) == "mqtt://[::1]:1883"


def test_delays_double_up_to_the_maximum_and_vary() -> None:
    backoff = Backoff(initial_s=1.0, maximum_s=8.0, random=random.Random(1))  # noqa: S311  # jitter, repeatable
    delays = [backoff.next_delay() for _ in range(50)]
    for delay, full in zip(delays, [1.0, 2.0, 4.0] + [8.0] * 47, strict=True):
        assert 0.75 * full <= delay <= full
    assert len(set(delays)) == 50
    backoff.reset()
    assert backoff.next_delay() <= 1.0


async def test_what_the_brokers_rules_forbid_is_told_once_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "acl").write_text("topic readwrite open\n")
    async with (
        PrivateBroker(extra=f"acl_file {tmp_path / 'acl'}") as private,
        connect(Broker.from_url(private.url), ConnectOptions("one"), lambda _: None) as connection,
    ):
        for _ in range(3):
            assert not await connection.publish("closed", b"x", qos=1)
        assert await connection.publish("open", b"x", qos=1)
    (warning,) = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert warning.startswith("The broker refused what one published on closed: not authorized. Allow it")
    assert "robot-node doctor" in warning


async def test_a_message_arrives_with_its_user_properties(broker: PrivateBroker) -> None:
    arrived: asyncio.Queue[Incoming] = asyncio.Queue()
    address = Broker.from_url(broker.url)
    options = ConnectOptions(client_id="one", publish_properties=(("A", "1"), ("B", "2")))
    async with connect(address, options, arrived.put_nowait) as connection:
        await connection.subscribe(Subscription("$mcp-x/+"))
        for qos in (0, 1):
            await connection.publish("$mcp-x/y", b"hello", qos=qos)
            message = await asyncio.wait_for(arrived.get(), PATIENCE_S)
            assert message == Incoming("$mcp-x/y", b"hello", user_properties=(("A", "1"), ("B", "2")))
            assert message.user_property("B") == "2"
            assert message.user_property("C") is None


async def test_no_broker_is_an_error_that_names_it() -> None:
    with pytest.raises(BrokerError, match=r"Cannot reach the MQTT broker at mqtt://127\.0\.0\.1:1: "):
        async with connect(Broker.from_url("mqtt://127.0.0.1:1"), ONE, ignore):
            pass


async def test_a_broker_that_never_answers_is_an_error(broker: PrivateBroker) -> None:
    broker.signal(signal.SIGSTOP)
    try:
        options = ConnectOptions(client_id="one", timeout_s=0.2)
        with pytest.raises(BrokerError, match="Cannot reach the MQTT broker"):
            async with connect(Broker.from_url(broker.url), options, ignore):
                pass
    finally:
        broker.signal(signal.SIGCONT)
    # The attempt that was given up must not come to life later, and throw out whoever took its place.
    lost = asyncio.Event()
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        watch = asyncio.create_task(connection.lost())
        watch.add_done_callback(lambda _: lost.set())
        await connection.publish("x", b"", qos=1)
        await eventually(lambda: broker.log.count("as one (p5") + broker.log.count("<unknown> closed") >= 2)
        await connection.publish("x", b"", qos=1)
        assert not lost.is_set()
        await cancel_and_wait(watch)


async def test_a_refused_subscription_names_the_topic() -> None:
    # mosquitto accepts every subscription, and drops what its access rules forbid; other brokers refuse it.
    async def refuse_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readexactly(2):
                body = await reader.readexactly(head[1])
                if head[0] == 0x10:  # CONNECT
                    writer.write(b"\x20\x03\0\0\0")
                elif head[0] == 0x82:  # SUBSCRIBE, answered with "granted" and "not authorized"
                    writer.write(b"\x90\x05" + body[:2] + b"\0\0\x87")
        writer.close()

    async with await asyncio.start_server(refuse_the_second, "127.0.0.1", 0) as server:
        strict = Broker("127.0.0.1", server.sockets[0].getsockname()[1])
        async with connect(strict, ONE, ignore) as connection:
            with pytest.raises(BrokerError, match=r"subscription to yours/a: Not authorized\. Allow this topic"):
                await connection.subscribe(Subscription("mine/b"), Subscription("yours/a"))


async def test_a_listener_that_raises_does_not_end_the_connection(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def on_message(incoming: Incoming) -> None:
        if incoming.payload == b"bad":
            raise ValueError("cannot be handled")
        arrived.put_nowait(incoming.payload)

    async with connect(Broker.from_url(broker.url), ONE, on_message) as connection:
        await connection.subscribe(Subscription("x"))
        await connection.publish("x", b"bad")
        await connection.publish("x", b"good")
        assert await asyncio.wait_for(arrived.get(), PATIENCE_S) == b"good"
    assert "A message could not be handled" in caplog.text


async def test_a_lost_connection_fails_what_is_tried_on_it(broker: PrivateBroker) -> None:
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError, match="the connection was lost"):
            await asyncio.wait_for(connection.lost(), PATIENCE_S)
        for attempt in (connection.publish("x", b""), connection.publish("x", b"", qos=1)):
            with pytest.raises(BrokerError, match="Cannot publish"):
                await attempt
        with pytest.raises(BrokerError, match="Cannot subscribe"):
            await connection.subscribe(Subscription("x"))


async def test_publishing_waits_for_a_broker_that_reads_too_slowly(broker: PrivateBroker) -> None:
    arrived = 0

    def on_message(_: Incoming) -> None:
        nonlocal arrived
        arrived += 1

    async with connect(Broker.from_url(broker.url), ONE, on_message) as connection:
        await connection.subscribe(Subscription("x"))
        broker.signal(signal.SIGSTOP)

        async def send_much() -> None:
            for _ in range(20):
                await connection.publish("x", bytes(1_000_000))

        sending = asyncio.create_task(send_much())
        done, _ = await asyncio.wait([sending], timeout=0.3)
        assert not done, "20 MB cannot have fitted into the socket: something has kept them in memory"
        broker.signal(signal.SIGCONT)
        await asyncio.wait_for(sending, PATIENCE_S)
        await eventually(lambda: arrived == 20)


async def test_publishing_to_a_slow_broker_fails_when_it_dies(broker: PrivateBroker) -> None:
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        broker.signal(signal.SIGSTOP)
        sending = asyncio.create_task(connection.publish("x", bytes(20_000_000)))
        await asyncio.wait([sending], timeout=0.1)
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError, match="Cannot publish"):
            await asyncio.wait_for(sending, PATIENCE_S)


async def test_what_is_not_acknowledged_fails_when_the_broker_dies_and_not_at_the_time_limit(
    broker: PrivateBroker,
) -> None:
    patient = ConnectOptions(client_id="one", timeout_s=1000)
    async with connect(Broker.from_url(broker.url), patient, ignore) as connection:
        await connection.publish("a/b", b"", qos=1)
        broker.signal(signal.SIGSTOP)
        publishing = asyncio.create_task(connection.publish("a/b", b"", qos=1))
        await asyncio.sleep(0)
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError, match="Cannot publish"):
            await asyncio.wait_for(publishing, PATIENCE_S)


async def test_what_is_never_acknowledged_fails_at_the_time_limit(broker: PrivateBroker) -> None:
    options = ConnectOptions(client_id="one", timeout_s=0.2)
    async with connect(Broker.from_url(broker.url), options, ignore) as connection:
        broker.signal(signal.SIGSTOP)
        try:
            with pytest.raises(BrokerError, match="Cannot publish"):
                await connection.publish("a/b", b"", qos=1)
        finally:
            broker.signal(signal.SIGCONT)


async def test_very_many_acknowledged_messages_at_once_all_arrive(broker: PrivateBroker) -> None:
    received: asyncio.Queue[Incoming] = asyncio.Queue()
    address = Broker.from_url(broker.url)
    async with (
        connect(address, ConnectOptions(client_id="one"), received.put_nowait) as listener,
        connect(address, ConnectOptions(client_id="two"), ignore) as connection,
    ):
        await listener.subscribe(Subscription("a/b", qos=1))
        # More than the broker takes unacknowledged (MQTT 5.0, 3.2.2.3.3).
        await asyncio.gather(*(connection.publish("a/b", str(number).encode(), qos=1) for number in range(200)))
        payloads = [(await asyncio.wait_for(received.get(), PATIENCE_S)).payload for _ in range(200)]
    assert payloads == [str(number).encode() for number in range(200)]


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
async def test_nagles_algorithm_is_off(broker: PrivateBroker, transport: str) -> None:
    address = Broker.from_url(broker.url if transport == "tcp" else f"ws://127.0.0.1:{broker.websocket_port}")
    async with connect(address, ONE, ignore) as connection:
        wrapped = connection._client._client.socket()
        assert wrapped is not None
        with socket.socket(fileno=socket.dup(wrapped.fileno())) as duplicate:
            assert duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_packet_beyond_our_limit_is_dropped_by_the_broker(broker: PrivateBroker) -> None:
    arrived: asyncio.Queue[Incoming] = asyncio.Queue()
    address = Broker.from_url(broker.url)
    small = ConnectOptions(client_id="small", max_packet_bytes=1000)
    async with connect(address, small, arrived.put_nowait) as reader, connect(address, ONE, ignore) as sender:
        await reader.subscribe(Subscription("x"))
        await sender.publish("x", bytes(2000), qos=1)
        await sender.publish("x", b"fits", qos=1)
        assert (await asyncio.wait_for(arrived.get(), PATIENCE_S)).payload == b"fits"


class Recorder:
    """Runs keep_connected, and says what happened."""

    def __init__(
        self, broker: PrivateBroker, serve: Callable[[Connection], Awaitable[None]], backoff: Backoff | None = None
    ) -> None:
        self.client_ids: list[str] = []
        self._names = (f"client-{number}" for number in itertools.count())

        async def work(connection: Connection) -> None:
            self.client_ids.append(connection.client_id)
            await serve(connection)

        self.task = asyncio.create_task(
            keep_connected(
                Broker.from_url(broker.url),
                lambda: ConnectOptions(client_id=next(self._names)),
                ignore,
                work,
                name="Test",
                backoff=backoff or Backoff(initial_s=0.01, maximum_s=0.02),
            )
        )


async def test_reconnecting_on_request_takes_new_options_and_no_delay(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    up = asyncio.Event()

    async def serve(connection: Connection) -> None:
        if connection.client_id == "client-0":
            raise ReconnectError("Other options are needed.")
        up.set()
        await asyncio.Event().wait()

    recorder = Recorder(broker, serve)
    await asyncio.wait_for(up.wait(), PATIENCE_S)
    await cancel_and_wait(recorder.task)
    assert recorder.client_ids == ["client-0", "client-1"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_asking_to_reconnect_again_and_again_is_slowed_down(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(_: Connection) -> None:
        raise ReconnectError("Other options are needed.")

    recorder = Recorder(broker, serve)
    await eventually(lambda: caplog.text.count("Other options are needed. Next attempt in") >= 3)
    await cancel_and_wait(recorder.task)


@pytest.mark.parametrize(("stable_after_s", "grows"), [(0.0, False), (60.0, True)])
async def test_delays_begin_anew_after_a_connection_that_lived(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture, stable_after_s: float, *, grows: bool
) -> None:
    async def serve(_: Connection) -> None:
        raise BrokerError("This connection is of no use.")

    backoff = Backoff(initial_s=0.01, maximum_s=10.0, stable_after_s=stable_after_s)
    recorder = Recorder(broker, serve, backoff)
    await eventually(lambda: caplog.text.count("Next attempt in") >= 4)
    await cancel_and_wait(recorder.task)
    assert (backoff.next_delay() > 0.1) == grows


async def test_a_mistake_of_ours_is_not_retried(broker: PrivateBroker) -> None:
    async def serve(_: Connection) -> None:
        raise ZeroDivisionError

    recorder = Recorder(broker, serve)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(recorder.task, PATIENCE_S)


async def test_a_goodbye_is_said_while_the_connection_still_works(broker: PrivateBroker) -> None:
    up = asyncio.Event()

    async def serve(connection: Connection) -> None:
        try:
            up.set()
            await asyncio.Event().wait()
        finally:
            await connection.publish("goodbye", b"", qos=1)

    recorder = Recorder(broker, serve)
    await asyncio.wait_for(up.wait(), PATIENCE_S)
    recorder.task.cancel()
    await asyncio.wait([recorder.task])
    assert recorder.task.cancelled()
    await eventually(lambda: "Received DISCONNECT from client-0" in broker.log)
    assert 0 < broker.log.index("'goodbye'") < broker.log.index("Received DISCONNECT from client-0")


async def _publish_until_lost(connection: Connection) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await connection.publish("x", b"")
            await asyncio.sleep(0.01)  # a kill is noticed when the socket says so


async def test_a_loss_for_which_nobody_waits_is_not_complained_of(broker: PrivateBroker) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError):
            await _publish_until_lost(connection)
    del connection
    gc.collect()
    assert not complaints


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_stop_in_the_moment_of_an_answer_is_heard(broker: PrivateBroker, *, succeeds: bool) -> None:
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        client = connection._client
        subscribing = asyncio.create_task(connection.subscribe(Subscription("x")))
        await asyncio.sleep(0)  # it has sent its packet now
        (answer,) = client._pending_subscribes.values()
        if succeeds:
            answer.set_result([])
        else:
            answer.set_exception(aiomqtt.MqttError("refused"))
        subscribing.cancel()
        await asyncio.wait([subscribing])
        assert subscribing.cancelled()


async def test_cancelling_while_tasks_are_ended_waits_for_their_end() -> None:
    ended = asyncio.Event()
    cleaning = asyncio.Event()
    finish = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await finish.wait()
            ended.set()

    task = asyncio.create_task(slow_to_end())
    await asyncio.sleep(0)
    ending = asyncio.create_task(cancel_and_wait(task))
    await cleaning.wait()
    ending.cancel()
    done, _ = await asyncio.wait([ending], timeout=0.05)
    assert not done
    finish.set()
    await asyncio.wait([ending])
    assert ending.cancelled()
    assert ended.is_set()


async def test_connections_leave_no_task_or_descriptor(broker: PrivateBroker) -> None:
    address = Broker.from_url(broker.url)
    async with connect(address, ONE, ignore):
        pass

    def open_now() -> tuple[int, int]:
        return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))

    before = open_now()
    for _ in range(20):
        async with connect(address, ONE, ignore) as connection:
            await connection.publish("x", b"")
        with pytest.raises(BrokerError):
            async with connect(Broker("127.0.0.1", 1), ONE, ignore):
                pass
    await eventually(lambda: open_now() <= before)
