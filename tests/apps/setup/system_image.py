"""A system image in a folder, for ``robot-node setup --root``."""

from __future__ import annotations

from pathlib import Path


def make_image(root: Path) -> Path:
    """A system with root and the groups of a Pi, all but the one for SPI."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")
    (root / "etc/gshadow").write_text("")
    groups = {"root": 0, "video": 44, "audio": 29, "render": 904, "i2c": 994, "gpio": 993}
    (root / "etc/group").write_text("".join(f"{name}:x:{number}:\n" for name, number in groups.items()))
    for folder in ("etc/systemd/system/multi-user.target.wants", "usr/local/bin", "var/lib", "opt"):
        (root / folder).mkdir(parents=True)
    (root / "etc/systemd/system/multi-user.target.wants/cron.service").symlink_to("/lib/systemd/system/cron.service")
    return root
