"""`python -m gatecrash` is the command `gatecrash`."""

import sys

from gatecrash.cli import main

sys.exit(main())
