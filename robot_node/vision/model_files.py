"""The files of a model: found, and compared with its checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from robot_node.errors import SettingsError
from robot_node.settings.vision import DetectionSettings

_REMEDY = "Check the path, and that the robot's user may read it."


def checked_model(settings: DetectionSettings, default: Path | None = None) -> Path:
    """Return the file of the model.

    Args:
        settings: Name it, and perhaps its checksum.
        default: When they don't.

    Raises:
        SettingsError: It is not set or cannot be read, or its checksum is another one.
    """
    path = settings.model or default
    if path is None:
        raise SettingsError("detection.model is not set.", remedy="Set it to the file of your model.")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest() if settings.model_checksum else ""
    except OSError as error:
        raise SettingsError(f"detection.model: {path} cannot be read: {error.strerror}.", remedy=_REMEDY) from error
    if found != settings.model_checksum.lower():
        raise SettingsError(
            f"detection.model: the SHA-256 of {path} is {found}, not detection.model_checksum.",
            remedy="Use the file that was checked, or check the new one and set its SHA-256.",
        )
    return path


def read_labels(settings: DetectionSettings) -> list[str]:
    """Return the lines of the label file; none without one.

    Raises:
        SettingsError: It cannot be read.
    """
    if settings.label_file is None:
        return []
    try:
        return settings.label_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"detection.label_file: {settings.label_file} cannot be read: {error}.", remedy=_REMEDY
        ) from error
