"""`helm test` of a release without a PinnokioService: the operator answers its liveness probe.

Run as `python -c SOURCE URL`; standard library only. Ends 0 with one line on standard output, or 1 with what was wrong.
"""

import sys
import time
import urllib.error
import urllib.request

DEADLINE_S = 90
PAUSE_S = 2


def main(url: str) -> int:
    """Asks until the answer is 200, or the deadline is over."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - the URL is the chart's own
                sys.stdout.write(f"PASS: the operator is alive ({url} answered {response.status})\n")
                return 0
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                sys.stdout.write(f"FAIL: {url}: {error}\nLook at the operator's log.\n")
                return 1
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
