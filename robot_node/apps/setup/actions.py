"""Actions of setup, as data. Paths are those of the target machine, wherever its image is mounted."""

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
    """Write a file atomically: it never appears incomplete or with another mode."""

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
    """Enable an interface of the Pi, now and at each boot."""

    name: str

    def __str__(self) -> str:
        return f"enable {self.name.upper()}: raspi-config nonint do_{self.name} 0"


@dataclass(frozen=True, slots=True)
class EnableUnit:
    """Start a systemd unit at boot."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl enable {self.unit}"


@dataclass(frozen=True, slots=True)
class StartUnit:
    """Start or restart a unit.

    Attributes:
        unit: Name of the unit.
        wait: Wait until it is ready: for a robot, until it is connected to its broker.
    """

    unit: str
    wait: bool

    def __str__(self) -> str:
        return f"systemctl restart {self.unit}"


@dataclass(frozen=True, slots=True)
class StopUnit:
    """Stop and disable a unit."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl disable --now {self.unit}"


@dataclass(frozen=True, slots=True)
class ReloadUnits:
    """Make systemd reload its unit files."""

    def __str__(self) -> str:
        return "systemctl daemon-reload"


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, a link, or a folder with its content."""

    path: str

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class RemoveUser:
    """Remove a user and its group."""

    name: str

    def __str__(self) -> str:
        return f"remove the user {self.name}"


@dataclass(frozen=True, slots=True)
class MakeEnvironment:
    """Create a virtual environment with the Python of another one.

    Attributes:
        path: Folder of the new one.
        like: Folder of the other one; its access to the system's packages is copied.
    """

    path: str
    like: str

    def __str__(self) -> str:
        return f"make the virtual environment {self.path}"


@dataclass(frozen=True, slots=True)
class InstallPackages:
    """Install packages into a virtual environment.

    Attributes:
        environment: Its folder.
        requirements: Wheels, and requirements as pip reads them.
        constraints: File with the tested versions; empty for none.
    """

    environment: str
    requirements: tuple[str, ...]
    constraints: str = ""

    def __str__(self) -> str:
        return f"install {', '.join(self.requirements)} into {self.environment}"


@dataclass(frozen=True, slots=True)
class SwitchEnvironment:
    """Make a path lead to another folder in its parent folder, in one step.

    Attributes:
        path: A link; or a folder, which is renamed to ``keep`` before (two steps, this once).
        target: Name of the folder that it links to afterwards.
        keep: Name of the folder that it led to before.
    """

    path: str
    target: str
    keep: str

    def __str__(self) -> str:
        return f"link {self.path} to {self.target}"


@dataclass(frozen=True, slots=True)
class HaltUnit:
    """Stop a unit; it stays enabled."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl stop {self.unit}"


@dataclass(frozen=True, slots=True)
class AwaitUnit:
    """Start a unit, which must become ready within a time limit: a robot is, when it is online."""

    unit: str
    limit_s: float

    def __str__(self) -> str:
        return f"systemctl start {self.unit}, and wait up to {self.limit_s:.0f} s until it is online"


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
    | MakeEnvironment
    | InstallPackages
    | SwitchEnvironment
    | HaltUnit
    | AwaitUnit
)
