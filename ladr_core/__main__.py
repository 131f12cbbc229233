"""`python -m ladr_core COMMAND ...`."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command takes over: Ctrl-C ends it without a traceback
    from .command_line import main

    sys.exit(main())
