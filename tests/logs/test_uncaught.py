"""What nobody catches is a line of the log like any other."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import sys, threading, warnings
from robot_node.settings.logs import LogSettings
from robot_node.logs.setup import configure_logging
from robot_node.logs.uncaught import log_uncaught

class Stubborn:
    def __del__(self):
        raise OSError("not\\nclosed")

configure_logging(LogSettings(format="json"))
log_uncaught()
warnings.warn("will be gone\\nsoon", UserWarning)
Stubborn()
thread = threading.Thread(target=lambda: [][1], name="encoder")
thread.start()
thread.join()
threading.Thread(target=sys.exit).start()
raise ValueError("nobody\\nexpected this")
"""


def test_warnings_and_what_nobody_catches_are_lines_of_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert not done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["warning", "error", "error", "critical"]
    warned, ignored, thread, end = lines
    assert "UserWarning: will be gone" in warned["message"]
    assert "OSError: not" in ignored["trace"]
    assert thread["message"] == "Thread encoder terminated by uncaught IndexError"
    assert "list index out of range" in thread["trace"]
    assert end["message"] == "Process terminated by uncaught ValueError"
    assert {line["category"] for line in lines} == {"app"}
