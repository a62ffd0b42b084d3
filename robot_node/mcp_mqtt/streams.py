"""Base of both streams of a transport."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import Self


class SdkStream(abc.ABC):
    """A stream that the SDK closes, by its method or by leaving an ``async with`` block."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the stream."""

    async def aclose(self) -> None:
        """Close the stream."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()
