"""Secrets that systemd passes to the service as files (systemd.exec(5), "Credentials")."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robot_node.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Credential:
    """A setting that may come as a credential.

    Attributes:
        name: Name of the credential and its file.
        section: The setting's section.
        key: The setting's key.
        is_path: The setting is the path of the file, not its content.
        is_list: The setting is a list, a line of the file for each value.
    """

    name: str
    section: str
    key: str
    is_path: bool = False
    is_list: bool = False


CREDENTIALS = (
    Credential("broker-password", "broker", "password"),
    Credential("client-key", "broker", "key_file", is_path=True),
    Credential("client-key-password", "broker", "key_password"),
    Credential("ice-servers", "webrtc", "ice_servers", is_list=True),
    Credential("http-token", "http", "token"),
    Credential("console-token", "console", "token"),
    Credential("publish-token", "publish", "token"),
    Credential("realtime-key", "realtime", "key"),
)
"""The credentials that the unit loads (``LoadCredential=`` in systemd/robot-node.service)."""


def credential_name(section: str, key: str) -> str:
    """Name of the credential of a setting; empty when it has none."""
    return next((known.name for known in CREDENTIALS if (known.section, known.key) == (section, key)), "")


def read_credentials(environment: Mapping[str, str] = os.environ) -> dict[str, dict[str, str | list[str]]]:
    """Read the settings that come as credentials, by section and key.

    An empty file counts as absent: the unit's default for a credential that is not configured.

    Args:
        environment: Holds ``CREDENTIALS_DIRECTORY``, set by systemd; without it there are no credentials.

    Raises:
        SettingsError: a credential cannot be read.
    """
    settings: dict[str, dict[str, str | list[str]]] = {}
    directory = environment.get("CREDENTIALS_DIRECTORY", "")
    for credential in CREDENTIALS if directory else ():
        file = Path(directory, credential.name)
        try:
            # Editors and echo end a file with a line feed, which is not part of the secret.
            secret = file.read_text(encoding="utf-8").removesuffix("\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingsError(f"The credential {file} cannot be read: {reason}.") from error
        if secret:
            lines = [line.strip() for line in secret.splitlines() if line.strip()]
            value = str(file) if credential.is_path else lines if credential.is_list else secret
            settings.setdefault(credential.section, {})[credential.key] = value
    return settings
