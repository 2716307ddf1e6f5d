"""Launcher that runs a command and prints its usage as JSON.

Linux includes the parent's memory in a new process's peak. This parent is too small to affect the figures. It
runs as a file, without the rest of the package.
"""

import json
import os
import sys
import time

if __name__ == "__main__":
    command = sys.argv[1:]
    quiet = (os.POSIX_SPAWN_DUP2, 2, 1)  # The output and the errors of the command share one file.
    began = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=[quiet])
    _, status, usage = os.wait4(process, 0)
    found = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "began": began,
        "wall": time.monotonic() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss": usage.ru_maxrss * 1024,
    }
    print(json.dumps(found))  # noqa: T201 - the result
