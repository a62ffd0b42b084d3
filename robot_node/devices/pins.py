"""The robot's pins through gpiozero: devices on them are created, used and closed in one thread."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from robot_node.devices.platform import Platform
from robot_node.devices.worker import DeviceWorker
from robot_node.errors import DeviceError, RobotNodeError

logger = logging.getLogger(__name__)

T = TypeVar("T")

Build = Callable[[Any, Any], T]
"""Creates a device from gpiozero's module and the pin factory. Called in the pins' thread."""

_LOAD_LIMIT_S = 30.0
"""Importing gpiozero takes seconds on a small board that is starting up."""

_REMEDY = "Check pin and wiring, and that no other program or setting uses the pin."


class PinBoard:
    """The pins, shared by all devices on them. Used from the event loop only.

    Args:
        platform: Gives gpiozero's pin factory.
        limit_s: How long one call may take, in seconds.
    """

    def __init__(self, platform: Platform, *, limit_s: float = 5.0) -> None:
        self._platform = platform
        self._limit_s = limit_s
        self._worker = DeviceWorker("thread of the pins")
        self._factory: Any = None
        self._made: list[Any] = []

    async def make(self, what: str, build: Build[T]) -> T:
        """Create a device on the pins; it is closed with the board, and at once when it comes too late.

        Args:
            what: Name of the device for errors, e.g. ``"The indicator LED on GPIO17"``.
            build: Creates it.

        Raises:
            DeviceError: The pin library is missing, or the pin cannot be used.
        """

        def load() -> None:
            factory = self._platform.pin_factory()
            # Imported lazily: a robot without devices on its pins saves the time.
            importlib.import_module("gpiozero")
            self._factory = factory

        def make() -> T:
            try:
                return build(importlib.import_module("gpiozero"), self._factory)
            except Exception as error:
                _let_go(error)
                raise

        with _explained(what):
            if self._factory is None:
                await self._worker.run_within(_LOAD_LIMIT_S, load)
            # One that is made too late would keep its pin: the next attempt would find the pin in use.
            made: T = await self._worker.open_within(self._limit_s, make, _close)
        self._made.append(made)
        return made

    async def call(self, what: str, function: Callable[..., T], *args: Any) -> T:
        """Call a function in the pins' thread.

        Raises:
            DeviceError: It failed, or took too long.
        """
        with _explained(what):
            return await self._worker.run_within(self._limit_s, function, *args)

    async def discard(self, made: Any) -> None:
        """Close one device; errors are logged."""
        with contextlib.suppress(ValueError):
            self._made.remove(made)
        try:
            await self.call("A pin", made.close)
        except DeviceError as error:
            logger.error("%s", error)

    async def close(self) -> None:
        """Close all devices: LEDs go off, motors stop, servos lose power. Ends the thread."""
        while self._made:
            await self.discard(self._made.pop())
        self._worker.close()


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except RobotNodeError:
        raise
    except Exception as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise DeviceError(f"{what} cannot be used: {reason}.", remedy=_REMEDY) from error


def _close(made: Any) -> None:
    made.close()


def _let_go(error: BaseException) -> None:
    """Free the objects of a failed attempt: gpiozero keeps their pins reserved while they exist."""
    cause: BaseException | None = error
    while cause is not None:
        if cause.__traceback__ is not None:
            traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    gc.collect()
