"""The pins of a Pi: gpiozero's mock factory, with fault injection and buttons."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gpiozero.pins.mock import MockFactory, MockPWMPin

_SPEED_OF_SOUND = 343.0
"""In metres per second, at 20 °C."""


class SimulatedPin(MockPWMPin):  # type: ignore[misc]  # gpiozero ships no types
    """A pin with fault injection.

    Attributes:
        broken: Using it raises an error, as if the kernel refused.
        stuck: It ignores new levels.
        held: Level at which it is held, as by a short circuit; None for none.
        on_level: Called with each new level of an output, in the thread that sets it.
    """

    broken = False
    stuck = False
    held: float | None = None
    on_level: Callable[[float], None] | None = None

    def _set_state(self, value: float) -> None:
        self._check()
        if self.stuck:
            return
        super()._set_state(value)
        if self.on_level is not None:
            self.on_level(float(value))

    def _get_state(self) -> float:
        self._check()
        return float(super()._get_state()) if self.held is None else self.held

    def _check(self) -> None:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@dataclass
class SimulatedPins:
    """All pins of a Pi 5, each able to do PWM.

    Attributes:
        factory: gpiozero's pin factory.
        other_users: Other users of pins, by GPIO, as the kernel reports them.
    """

    factory: MockFactory = field(default_factory=lambda: MockFactory(revision="d04170", pin_class=SimulatedPin))
    other_users: dict[int, str] = field(default_factory=dict)

    def pin(self, gpio: int) -> SimulatedPin:
        """Return the pin of a GPIO."""
        pin: SimulatedPin = self.factory.pin(f"GPIO{gpio}")
        return pin

    def level(self, gpio: int) -> float:
        """Return the level of a pin: 0 low, 1 high, in between the duty cycle."""
        pin = self.pin(gpio)
        # As measured at the pin, also when it is broken.
        return float(pin._state) if pin.held is None else pin.held  # noqa: SLF001  # reading it with gpiozero would raise if it is broken

    def pulse_ms(self, gpio: int) -> float:
        """Return the pulse width on a pin in milliseconds; 0 without pulses."""
        frequency = self.pin(gpio).frequency
        return 1000 * self.level(gpio) / frequency if frequency else 0.0

    def drive(self, gpio: int, *, high: bool) -> None:
        """Set the level of an input, like a button or a sensor."""
        pin = self.pin(gpio)
        (pin.drive_high if high else pin.drive_low)()

    def press(self, gpio: int) -> None:
        """Press a button, or close a switch, between the pin and ground."""
        self.drive(gpio, high=False)

    def release(self, gpio: int) -> None:
        """Release the button, or open the switch."""
        self.drive(gpio, high=True)

    def wire_distance_sensor(self, trigger: int, echo: int, metres: Callable[[], float]) -> None:
        """Connect an HC-SR04 ultrasonic sensor: its echo pulse lasts as long as the sound travels."""

        def answer() -> None:
            time.sleep(0.0005)
            pin.drive_high()
            time.sleep(2 * metres() / _SPEED_OF_SOUND)
            pin.drive_low()

        def triggered(level: float) -> None:
            if level:
                threading.Thread(target=answer, name="echo", daemon=True).start()

        pin = self.pin(echo)
        self.pin(trigger).on_level = triggered
