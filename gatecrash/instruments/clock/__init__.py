"""The clock: a target's time belongs to whoever tests it, and a limit of its own comes when the tester says so.

A call with a time limit goes into the kernel and sleeps there, like any other: what wakes it, what interrupts it, what
stops its process, is the kernel's affair. Once nothing else can happen (instruments/quiescence.py), the tester lets the
soonest limit expire: the target's clocks are put ahead to that moment, and the task is interrupted (ptrace(2)) and
finds that its time is up. A timer comes likewise, though no task sleeps for it. Nothing is skipped unless somebody asks
for it.

Soundness: clocks and waits agree, so what a target sees might have happened in as much real time. What reads the time
some other way (rdtsc), or waits in a way that is not known here, is found, and its time is real from then on.

| module | what it does |
|---|---|
| `clock.py` | `Clock`: what the others use |
| `dues.py` | when each wait ends, by the target's clock |
| `expiry.py` | makes one wait end, as if its time were up |
| `answers.py` | what each call returns then: one line a call |
| `timers.py` | timers that send a signal: alarm, setitimer, timer_settime |
| `timerfds.py` | timers that are descriptors |
| `spans.py` | what a timer is set to, as programs write it |
| `offsets.py` | puts the clocks of processes ahead |
| `stopped.py` | undoes what a stop does to calls on sockets |
| `disagreement.py` | who reads another clock than the one that is put ahead |
| `calls.py` | what the filter hands over: clocks read past the vDSO, programs executed |
"""

from gatecrash.instruments.clock.clock import CLOCK_TRAPS as CLOCK_TRAPS
from gatecrash.instruments.clock.clock import Clock as Clock
from gatecrash.instruments.clock.clock import Held as Held
from gatecrash.instruments.clock.probe import available as available
