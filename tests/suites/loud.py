"""`bindery` with every logger at its lowest level, whatever it is told: nothing may be in that.

The arguments are those of `bindery`.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Final

from app.cli import main

METRICS_TOKEN: Final = "a-token-for-metrics-that-is-long-enough-to-be-found"


def _loud() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    # The server quietens the libraries that it knows to tell much. Here they tell it.
    logging.Logger.setLevel = lambda *_: None  # type: ignore[method-assign]
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).level = logging.NOTSET
    os.environ["BINDERY_METRICS_TOKEN"] = METRICS_TOKEN


if __name__ == "__main__":
    _loud()
    sys.exit(main(sys.argv[1:]))
