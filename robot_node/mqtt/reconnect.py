"""A connection that comes back by itself.

Everything that depends on a connection (subscriptions, sessions) lives in the ``serve`` coroutine, which
:func:`keep_connected` starts again for each connection: when the connection is lost, so is all of it, which is
what MCP over MQTT demands (session expiry 0, clean start).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.backoff import Backoff
from robot_node.core.log_context import in_session, new_session
from robot_node.errors import BrokerError, RobotNodeError
from robot_node.mqtt.connection import Connection, connect
from robot_node.mqtt.types import Broker, ConnectOptions

logger = logging.getLogger(__name__)

_REPORT = "That is a mistake in robot-node: please report it."


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """State of a connection.

    Attributes:
        connected: It is up.
        reason: Why it is down, as one sentence.
        remedy: What to do about that, where something is known.
    """

    connected: bool
    reason: str = ""
    remedy: str = ""

    @property
    def problem(self) -> str:
        """Why it is down, and what to do about it; empty while it is up."""
        return f"{self.reason} {self.remedy}".strip()


class ReconnectError(RobotNodeError):
    """Raised by a ``serve`` coroutine that needs a new connection with changed options."""


Serve = Callable[[Connection], Awaitable[None]]


async def keep_connected(
    broker: Broker,
    options: ConnectOptions | Callable[[], ConnectOptions],
    serve: Serve,
    *,
    name: str,
    backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
) -> None:
    """Stay connected until cancelled: run ``serve`` on each connection, reconnect with backoff after each loss.

    ``serve`` is cancelled when its connection is lost. When this coroutine is cancelled, ``serve`` is cancelled
    while the connection still works, so that it can publish final messages; then DISCONNECT is sent.

    Args:
        broker: Where to connect. With several addresses, after a loss the others come first, and at once.
        options: How to introduce ourselves; a function is called before each attempt.
        serve: What to do while connected, beginning with the choice of :attr:`Connection.on_message`. A
            :class:`BrokerError` that it raises means "reconnect", a :class:`ReconnectError` the same at once.
        name: What to call the connection in the log, e.g. ``"MCP"``.
        backoff: Delays between attempts.
        on_status: Called at each change.
    """
    backoff = backoff or Backoff()
    loop = asyncio.get_running_loop()
    reconnecting = failed_over = False
    while True:
        connected_at: float | None = None
        present = options() if callable(options) else options
        session = new_session("mqtt", present.client_id)
        try:
            with in_session(session):
                async with connect(broker, present) as connection:
                    connected_at = loop.time()
                    broker = broker.after(connection.address)
                    logger.info("%s connection to %s is up as %s", name, connection.address, present.client_id)
                    on_status(LinkStatus(connected=True))
                    await _serve_until_lost(connection, serve, name)
        except (BrokerError, ReconnectError) as error:
            lived_s = None if connected_at is None else loop.time() - connected_at
            soon = lived_s is not None and lived_s < backoff.stable_after_s
            if soon and isinstance(error, BrokerError) and not error.remedy:
                # mosquitto 2.0 doesn't say so when it gives the connection to another client of that id.
                error.remedy = f"Perhaps another client uses the client id {present.client_id}: each needs its own."
            with in_session(session):  # the warning below has none: that of each attempt would be another, never folded
                logger.debug("%s connection ended: %s", name, error.message)
            on_status(LinkStatus(connected=False, reason=error.message, remedy=error.remedy))
            if isinstance(error, ReconnectError) and not reconnecting:
                reconnecting = True
                logger.info("%s connection: %s", name, error.message)
                continue
            reconnecting = False
            if lived_s is not None and lived_s >= backoff.stable_after_s:
                backoff.reset()
                failed_over = False
            if lived_s is not None and not failed_over and len(broker.addresses) > 1:
                failed_over = True  # once: a broker that ends each connection must not be tried without a pause
                logger.warning("%s connection: %s Trying the next broker.", name, error)
                continue
            delay = backoff.next_delay()
            logger.warning("%s connection: %s Next attempt in %.1f s.", name, error, delay)
        except Exception as error:  # a bug, which the caller must see
            on_status(_crashed(name, error))
            raise
        await asyncio.sleep(delay)


@contextlib.asynccontextmanager
async def tell_crash(on_status: Callable[[LinkStatus], None], name: str) -> AsyncIterator[None]:
    """Report a connection as down when a task that runs next to :func:`keep_connected` fails, which cancels that.

    Args:
        on_status: Called then.
        name: What to call the connection.
    """
    try:
        yield
    except Exception as error:
        on_status(_crashed(name, error))
        raise


def _crashed(name: str, error: Exception) -> LinkStatus:
    return LinkStatus(connected=False, reason=f"The {name} service crashed: {type(error).__name__}.")


async def _serve_until_lost(connection: Connection, serve: Serve, name: str) -> None:
    async def work() -> None:
        await serve(connection)
        raise BrokerError(f"The {name} service ended by itself.", remedy=_REPORT)

    # No TaskGroup: one that is ending because of a child's error swallows the cancellation of its parent, so that a
    # stop at the moment of a lost connection would go unheard.
    watch = asyncio.create_task(connection.lost(), name=f"{name} connection watch")
    service = asyncio.create_task(work(), name=f"{name} service")
    try:
        await asyncio.wait((watch, service), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(watch, service)
    # Both are looked at, or asyncio complains of an exception that was never retrieved.
    errors = [_expected(error) for task in (watch, service) if not task.cancelled() and (error := task.exception())]
    if not errors:  # the first to end was cancelled, and not by us
        raise BrokerError(f"The {name} service was cancelled.", remedy=_REPORT)
    # A bug takes precedence over the loss of the connection with which it appeared.
    raise min(errors, key=_is_expected)


def _expected(error: BaseException) -> BaseException:
    """The BrokerError or ReconnectError inside a group of nothing else; other errors as they are."""
    if isinstance(error, BaseExceptionGroup) and error.split((BrokerError, ReconnectError))[1] is None:
        return _expected(error.exceptions[0])
    return error


def _is_expected(error: BaseException) -> bool:
    return isinstance(error, BrokerError | ReconnectError)
