"""Child processes that end with their parent."""

from __future__ import annotations

import shutil


def end_with_parent() -> list[str]:
    """Return the command prefix with which a child process gets SIGTERM when its parent ends, even by SIGKILL.

    The parent is the thread that starts it (prctl(2), PR_SET_PDEATHSIG). The process id and the streams stay the
    command's own. Empty where ``setpriv`` is not installed.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
