"""The kernel's parameters. Expect: serves"""

import os

from hostile import attempt, got_away, serve, write

for here, _, names in os.walk("/proc/sys"):
    for name in names:
        attempt(f"{here}/{name}", write, f"{here}/{name}", b"1")
attempt("oom_score_adj", write, "/proc/self/oom_score_adj", b"-1000")
got_away[:] = got_away[:20]
serve()
