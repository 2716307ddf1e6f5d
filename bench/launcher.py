"""Runs one command and says what it used, as JSON.

Linux counts the memory of whoever starts a process into the peak of that process, so this starts
it: a program too small to be seen in the figures. It is run as a file, without the rest of the package.
"""

import json
import os
import sys
import time

if __name__ == "__main__":
    command = sys.argv[1:]
    quiet = (os.POSIX_SPAWN_DUP2, 2, 1)  # the command's output goes where its errors go
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
    print(json.dumps(found))  # noqa: T201 - that is its answer
