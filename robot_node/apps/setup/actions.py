"""What setup can do to a machine, as data. A path is what it will be on that machine, wherever that is mounted."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MakeUser:
    """Create the system user, with a group of its own name."""

    name: str
    groups: tuple[str, ...]
    home: str

    def __str__(self) -> str:
        groups = f" in {', '.join(self.groups)}" if self.groups else ""
        return f"create the system user {self.name}{groups}"


@dataclass(frozen=True, slots=True)
class JoinGroups:
    """Add a user to further groups."""

    name: str
    groups: tuple[str, ...]

    def __str__(self) -> str:
        return f"add the user {self.name} to {', '.join(self.groups)}"


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Create a folder, or correct its mode and owner."""

    path: str
    mode: int
    group: str = "root"

    def __str__(self) -> str:
        return f"make the folder {self.path} (root:{self.group} {self.mode:04o})"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a file at once: nobody ever sees half of it, or with another mode."""

    path: str
    text: str = field(repr=False)
    mode: int
    group: str = "root"

    def __str__(self) -> str:
        return f"write {self.path} (root:{self.group} {self.mode:04o})"


@dataclass(frozen=True, slots=True)
class MakeLink:
    """Make a symbolic link."""

    path: str
    target: str

    def __str__(self) -> str:
        return f"link {self.path} to {self.target}"


@dataclass(frozen=True, slots=True)
class EnableInterface:
    """Switch an interface of the Pi on, now and at each start."""

    name: str

    def __str__(self) -> str:
        return f"enable {self.name.upper()}: raspi-config nonint do_{self.name} 0"


@dataclass(frozen=True, slots=True)
class EnableUnit:
    """Have systemd start a unit with the machine."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl enable {self.unit}"


@dataclass(frozen=True, slots=True)
class StartUnit:
    """Start a unit, or start it anew.

    Attributes:
        unit: Which.
        wait: Return when it is ready: for a robot, when it is on its broker.
    """

    unit: str
    wait: bool

    def __str__(self) -> str:
        return f"systemctl restart {self.unit}"


@dataclass(frozen=True, slots=True)
class StopUnit:
    """Stop a unit, and start it no more."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl disable --now {self.unit}"


@dataclass(frozen=True, slots=True)
class ReloadUnits:
    """Have systemd read its units again."""

    def __str__(self) -> str:
        return "systemctl daemon-reload"


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, a link, or a folder with all that is in it."""

    path: str

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class RemoveUser:
    """Remove a user, and the group of its name."""

    name: str

    def __str__(self) -> str:
        return f"remove the user {self.name}"


Action = (
    MakeUser
    | JoinGroups
    | MakeFolder
    | WriteFile
    | MakeLink
    | EnableInterface
    | EnableUnit
    | StartUnit
    | StopUnit
    | ReloadUnits
    | Remove
    | RemoveUser
)
