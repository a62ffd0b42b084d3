"""Starting threads when the system may have none left (RLIMIT_NPROC, TasksMax= of systemd)."""

from __future__ import annotations

import threading

NO_THREAD_REMEDY = (
    "Raise the limit on processes and threads (TasksMax= of the service, ulimit -u), or stop what uses them up."
)


def started(thread: threading.Thread) -> bool:
    """Start a thread; return False if the system permits no further one."""
    try:
        thread.start()
    except RuntimeError as error:
        if not is_no_thread(error):
            raise
        return False
    return True


def is_no_thread(error: BaseException) -> bool:
    """Whether an error of starting a thread, or of an executor, means that the system permits no further one."""
    return isinstance(error, RuntimeError) and str(error) == "can't start new thread"
