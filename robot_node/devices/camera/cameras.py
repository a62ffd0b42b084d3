"""The robot's cameras: one, or several by name. One privacy switch and one indicator are for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from robot_node.core.state import CameraView, RobotState
from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.devices.camera.camera import Camera
from robot_node.devices.indicator import Indicator, SharedIndicator
from robot_node.devices.platform import Platform
from robot_node.devices.privacy import Privacy
from robot_node.errors import ArgumentError
from robot_node.settings.devices import CameraSettings


class Cameras(Mapping[str, Camera]):
    """The cameras by name, at least one; the first is the default.

    Args:
        cameras: By name, in the order of the settings.
    """

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        self._cameras = dict(cameras)
        self.first = next(iter(self._cameras.values()))

    @classmethod
    def build(
        cls,
        platform: Platform,
        settings: Mapping[str, CameraSettings],
        state: RobotState,
        *,
        indicator: Indicator,
        privacy: Privacy,
        small_stream: bool = False,
    ) -> Cameras:
        """Make the cameras of the settings; all are off.

        Args:
            platform: Gives the camera library.
            settings: Of each camera.
            state: Where the cameras' state is reported.
            indicator: On while any of them captures.
            privacy: While it is engaged all of them are off.
            small_stream: The first can deliver small pictures.
        """
        first, *others = settings
        shared = None
        if others:
            state.update(first_camera=first, cameras={name: CameraView() for name in others})
            shared = SharedIndicator(indicator)
        return cls(
            {
                name: Camera(
                    platform,
                    each,
                    state,
                    name="" if name == first else name,
                    indicator=indicator if shared is None else shared.share(),
                    privacy=privacy,
                    small_stream=small_stream and name == first,
                )
                for name, each in settings.items()
            }
        )

    def __getitem__(self, name: str) -> Camera:
        return self._cameras[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cameras)

    def __len__(self) -> int:
        return len(self._cameras)

    def choose(self, name: str | None) -> Camera:
        """Return the camera that a call names; the first when it names none.

        Raises:
            ArgumentError: There is no such camera.
        """
        if name is None:
            return self.first
        try:
            return self._cameras[name]
        except KeyError:
            there_are = ", ".join(self._cameras)
            raise ArgumentError(
                f"There is no camera {bounded(name, SHOWN_CHARACTERS)!r}; there are: {there_are}."
            ) from None

    async def close(self) -> None:
        """Switch all cameras off for good, at once; raises what a camera raises, after all of them are done."""
        results = await asyncio.gather(*(each.close() for each in self._cameras.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
