"""What the Python scripts share: they ask a real client for ordinary things and say which of them failed.

A script needs only an address, so that the same one is run against a bare memcached, which is the oracle,
and against ketch:

    tests/.venv/bin/python tests/clients/with_pymemcache.py 127.0.0.1:11211

Each script flushes the cache it is pointed at.
"""

import os
import sys
import time
import traceback

# The largest item of memcached's default -I 1m, and what it spends of that on each item besides key and value:
# 48 bytes of header, 8 of cas token, one behind the key, two behind the value (and four for flags other than 0).
ITEM_SIZE = 1 << 20
ITEM_HEAD = 48 + 8 + 1 + 2

_checks = []


def check(function):
    """Marks a function as something to run; its name is what a failure is called."""
    _checks.append(function)
    return function


def largest_value(key):
    """How many bytes the value of `key` may have at most when its flags are 0."""
    return ITEM_SIZE - ITEM_HEAD - len(key)


def some_bytes(count):
    """So many bytes, every one of the 256 among them, line ends too."""
    return (bytes(range(256)) * (count // 256 + 1))[:count]


def gone(*reads, within=6):
    """Waits until every one of `reads` finds nothing; false when that takes longer than so many seconds."""
    end = time.monotonic() + within
    left = list(reads)
    while left:
        left = [read for read in left if read() is not None]
        if time.monotonic() > end:
            return not left
        time.sleep(0.1 if left else 0)
    return True


def raises(kind, function, *arguments, **named):
    """The exception of that kind which the call must raise."""
    try:
        result = function(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} but {result!r}")


def address():
    """The host and the port that the script was given."""
    if len(sys.argv) != 2 or ":" not in sys.argv[1]:
        sys.exit(f"usage: {sys.argv[0]} HOST:PORT")
    host, port = sys.argv[1].rsplit(":", 1)
    return host, int(port)


def main():
    """Runs what was marked, in order, and exits with 1 if any of it failed."""
    failed = 0
    # What the server behind ketch does not have, by the names of the checks that ask for it.
    without = os.environ.get("KETCH_CHECKS_WITHOUT", "").split()
    checks = [function for function in _checks if function.__name__ not in without]
    for name in without:
        print(f"left out {name}" if name in [function.__name__ for function in _checks] else f"no check is called {name}")
    for function in checks:
        try:
            function()
        except Exception:
            failed += 1
            print(f"FAILED {function.__name__}")
            traceback.print_exc(file=sys.stdout)
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
