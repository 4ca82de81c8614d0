"""The tests compare what is said in English, whatever the locale of the machine they run on."""

import os

os.environ["GATECRASH_LANG"] = "en"
