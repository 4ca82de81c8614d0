"""From steps and events to rows: what each of them means in the picture."""

from __future__ import annotations

import signal
from functools import singledispatchmethod

from gatecrash.diagrams import looks, phrases
from gatecrash.diagrams.canvas import Canvas
from gatecrash.diagrams.cast import KERNEL, SERVER, child, client
from gatecrash.diagrams.labels import of_bytes, plain, size_note
from gatecrash.diagrams.model import Arrow, ArrowKind, Band, Fate, Mark, MarkKind, text_of
from gatecrash.language import say, spoken
from gatecrash.model import scenario as steps
from gatecrash.model import transcript as seen
from gatecrash.text import size_of

_ANSWERED = (
    seen.Got,
    seen.Ended,
    seen.Silent,
    seen.Flooded,
    seen.Looked,
    seen.HeldAt,
    seen.NotConnected,
    seen.ServerEnded,
)


_FATES = ("failed", "shortened")


def _accepted_by_now(event: seen.Event) -> tuple[str, ...]:
    """The clients whose connections have left the accept queue, as this event shows."""
    match event:
        case seen.Got() | seen.Ended(how="FIN"):
            return (event.client,)
        case seen.Sent() if event.read or event.consumed:
            return (event.client,)
        case seen.Looked():
            return tuple(side.client for side in event.snapshot.connections if side.accepted)
    return ()


def _started_well(event: seen.Started) -> bool:
    """Whether it listens where it should, or has ended with an error where its port is another one's."""
    if event.what in ("restart", "terminal"):
        return event.listening and (not event.wanted or event.wanted in event.ports)
    return not event.listening and event.status not in (None, 0)


class Drawing(Canvas):
    """Takes steps and events in order; `rows` is what has come of them."""

    # -- steps --------------------------------------------------------------------------------------------------

    def act(self, number: int, step: steps.Step) -> None:
        """One step begins."""
        self.step_number = number
        self.step(step)

    @singledispatchmethod
    def step(self, step: steps.Step) -> None:
        """What a step itself shows, before anything came of it."""
        raise NotImplementedError(f"no picture of the step {type(step).__name__}")

    @step.register(steps.Connect)
    @step.register(steps.Send)
    @step.register(steps.Receive)
    @step.register(steps.SendDatagram)
    @step.register(steps.ReceiveDatagrams)
    @step.register(steps.AwaitHeld)
    @step.register(steps.Settle)
    @step.register(steps.LetTimePass)
    @step.register(steps.ReadOutput)
    @step.register(steps.Watch)
    @step.register(steps.Restart)
    @step.register(steps.StartSecond)
    @step.register(steps.StartOnTakenPort)
    @step.register(steps.StartOnTerminal)
    def _by_its_events(self, step: steps.Step) -> None:
        """What came of it says all."""

    @step.register
    def _half_close(self, step: steps.HalfClose) -> None:
        if step.client in self.open:
            self.arrow(client(step.client), self.cast.wire, "fin", "FIN", say("half-close"))

    @step.register
    def _close(self, step: steps.Close) -> None:
        if step.client in self.open:
            self.open.discard(step.client)
            self.arrow(client(step.client), self.cast.wire, "fin", "FIN", "close")

    @step.register
    def _reset(self, step: steps.Reset) -> None:
        if step.client in self.open:
            self.open.discard(step.client)
            self.arrow(client(step.client), self.cast.wire, "rst", "RST", say("resets the connection"))

    @step.register
    def _ask(self, step: steps.AskWithRequests) -> None:
        self.mark(client(step.client), "library", spoken(step.line()))

    @step.register
    def _freeze(self, step: steps.Freeze) -> None:
        lanes = (SERVER,) if step.who == "parent" else self.known.alive(self.cast, step.who)
        self.frozen = lanes
        self.mark(lanes, "frozen", say("frozen (SIGSTOP)"))

    @step.register
    def _thaw(self, step: steps.Thaw) -> None:
        self.mark(self.frozen or (SERVER,), "thawed", say("goes on (SIGCONT)"))
        self.known.doing.clear()
        self.frozen = ()

    @step.register(steps.Fail)
    @step.register(steps.Hold)
    @step.register(steps.Shorten)
    def _plan(self, step: steps.Fail | steps.Hold | steps.Shorten) -> None:
        self.trace.plan(step)
        self.mark(SERVER, "plan", phrases.planned(step))

    @step.register(steps.LimitDescriptors)
    @step.register(steps.LiftLimit)
    def _limit(self, step: steps.LimitDescriptors | steps.LiftLimit) -> None:
        self.mark(SERVER, "plan", phrases.limited(step))

    @step.register
    def _small_buffers(self, step: steps.SmallBuffers) -> None:
        self.mark(self.cast.wire, "plan", say("the kernel keeps little of what is sent"))

    @step.register
    def _release(self, step: steps.Release) -> None:
        if self.held:
            self.mark(self.held, "released", say("the held call goes on"))
        self.held = ()
        self.known.doing.clear()

    @step.register
    def _signal(self, step: steps.Signal) -> None:
        self.mark(self._signalled(step), "signalled", step.name)
        self.known.doing.clear()

    def _signalled(self, step: steps.Signal) -> tuple[str, ...]:
        if step.who == "parent":
            return (SERVER,)
        if step.who == "accepting":
            return tuple(child(pid) for pid in self.cast.fallen) or (SERVER,)
        return self.known.alive(self.cast, step.who, set(self.cast.serves.values()))

    # -- events -------------------------------------------------------------------------------------------------

    def see(self, index: int, event: seen.Event) -> None:
        """One event, number `index` of the transcript."""
        known = isinstance(event, _ANSWERED) or (isinstance(event, seen.Sent) and event.read is not None)
        due = self.trace.due() if known else ()
        before = tuple(call for call in due if call.family == "accept" or call.outcome.kind not in _FATES)
        self.gated(before)  # who was accepted in the end was so behind an accept that failed
        if not (isinstance(event, seen.Looked) and self.cast.prefork):
            for name in _accepted_by_now(event):
                self.accept(name)
        self.gated(tuple(call for call in due if call not in before))
        self.event(event, index)

    def gated(self, calls: tuple[seen.TracedCall, ...]) -> None:
        """Calls that were made to fail, or were cut short, by now."""
        for call in calls:
            fate = call.outcome.kind
            kind: MarkKind = fate if fate == "shortened" or fate == "failed" else "misused"
            bad = kind == "misused" and self.fault.facts.about == "failed accept"
            self.mark(self.cast.lane_of(call.tid), kind, phrases.gated(call), bad=bad)

    @singledispatchmethod
    def event(self, event: seen.Event, index: int) -> None:
        """What an event shows."""
        raise NotImplementedError(f"no picture of the event {type(event).__name__}")

    @event.register
    def _connected(self, event: seen.Connected, index: int) -> None:
        self.open.add(event.client)
        queued = self.cast.wire == KERNEL
        note = say("into the accept queue") if queued else ""
        self.arrow(client(event.client), self.cast.wire, "connect", "connect", note)

    @event.register
    def _not_connected(self, event: seen.NotConnected, index: int) -> None:
        bad = self.fault.blames(event.client)
        refused = event.why == "refused"
        what = say("connect: refused") if refused else say("connect: dropped")
        note = say("nobody listens") if refused else say("the accept queue is full")
        lanes = client(event.client), self.cast.wire
        self.rows.append(Arrow(*lanes, "connect", plain(what), note, "lost", bad, self.step_number))

    @event.register
    def _sent(self, event: seen.Sent, index: int) -> None:
        if event.port is not None:
            note = spoken(size_of(event.data))
            lanes = client(event.client), SERVER
            self.rows.append(Arrow(*lanes, "datagram", of_bytes(event.data), note, step=self.step_number))
            return
        unread = event.read is False and self.cast.wire == KERNEL
        lanes = client(event.client), self.cast.server_of(event.client) if event.read else self.cast.wire
        fate: Fate = "unread" if unread else "arrives"
        note = phrases.sent(event)
        self.rows.append(Arrow(*lanes, "segment", of_bytes(event.data), note, fate, step=self.step_number))
        if event.read is False:
            self.blocked(event.where)

    @event.register
    def _not_sent(self, event: seen.NotSent, index: int) -> None:
        if event.error == "ENOTCONN" and event.client not in self.open:
            return  # it has no connection, as was said when it connected
        bad = self.fault.blames(event.client)
        lanes = client(event.client), self.cast.wire
        note = say("send fails: {error}", error=event.error)
        self.rows.append(Arrow(*lanes, "segment", of_bytes(event.data), note, "lost", bad, self.step_number))

    @event.register
    def _got(self, event: seen.Got, index: int) -> None:
        bad_at = self.fault.bytes.get(index)
        kind: ArrowKind = "datagram" if event.source_port is not None else "segment"
        start = SERVER if kind == "datagram" else self.cast.server_of(event.client)
        label, note = of_bytes(event.data, bad_at), size_note(event.data, bad_at, self.fault.offset)
        if index in self.fault.whole:
            label = plain(text_of(label), bad=True)
        if event.source_port is not None and self.fault.facts.port is not None:
            note = say("{note}, from port {port}", note=note, port=event.source_port)
        bad = bad_at is not None or index in self.fault.whole
        self.rows.append(Arrow(start, client(event.client), kind, label, note, bad=bad, step=self.step_number))

    @event.register
    def _ended(self, event: seen.Ended, index: int) -> None:
        bad = self.fault.blames(event.client) and not self.fault.elsewhere(event.client)
        bad = bad and event.client not in self.missed
        if event.how == "RST":
            self.open.discard(event.client)
        start = self.cast.wire if self.dead else self.cast.server_of(event.client)
        kind: ArrowKind = "fin" if event.how == "FIN" else "rst"
        note = say("the server's side is closed") if event.how == "FIN" else say("the connection is reset")
        self.arrow(start, client(event.client), kind, event.how, note, bad=bad)

    @event.register
    def _library_answer(self, event: seen.LibraryAnswer, index: int) -> None:
        bad = self.fault.blames(event.client) and bool(event.error)
        if event.error:
            self.mark(client(event.client), "library", say("requests raises {error}", error=event.error), bad=bad)
            return
        lanes = SERVER, client(event.client)
        label = (*plain(say("status {status}, body ", status=event.status)), *of_bytes(event.body))
        note = spoken(size_of(event.body))
        self.rows.append(Arrow(*lanes, "answer", label, note, bad=bad, step=self.step_number))

    @event.register
    def _silent(self, event: seen.Silent, index: int) -> None:
        bad = self.fault.blames(event.client) and not self.fault.elsewhere(event.client)
        self.missed |= {event.client} if bad else set()
        kind: MarkKind = "silence" if event.proven else "unproven"
        self.mark(client(event.client), kind, phrases.silent(event), bad=bad)
        self.blocked(event.where, blamed=bad, spinning=event.still == "spinning")

    @event.register
    def _flooded(self, event: seen.Flooded, index: int) -> None:
        bad = self.fault.blames(event.client)
        text = say("no more is read: {size} bytes came", size=event.size)
        self.mark(client(event.client), "unproven", text, bad=bad)

    @event.register
    def _looked(self, event: seen.Looked, index: int) -> None:
        looks.draw(self, event)

    @event.register
    def _time_passed(self, event: seen.TimePassed, index: int) -> None:
        self.rows.append(Band("time", plain(phrases.passed(event)), step=self.step_number))

    @event.register
    def _printed(self, event: seen.Printed, index: int) -> None:
        fresh = event.text[len(self.printed) :] if event.text.startswith(self.printed) else event.text
        known = set(self.printed.splitlines())
        bad = self.fault.facts.about == "output" and any(line in known for line in fresh.splitlines())
        self.printed = event.text
        label = (*plain(say("prints ")), *of_bytes(fresh)) if fresh else plain(say("prints nothing more"))
        size = size_of(fresh)
        note = say("{size}, some of them again", size=size) if bad else spoken(size)
        self.rows.append(Mark((SERVER,), "printed", label, note, bad, self.step_number))

    @event.register
    def _held_at(self, event: seen.HeldAt, index: int) -> None:
        if not event.reached:
            self.mark(SERVER, "never-held", phrases.never_held(event))
            return
        calls = self.trace.held(self._awaited())
        self.held = tuple(dict.fromkeys(self.cast.lane_of(call.tid) for call in calls)) or (SERVER,)
        descriptor = f"({calls[0].first})" if len(calls) == 1 and calls[0].family in ("send", "recv", "close") else ""
        self.mark(self.held, "held", say("held at {call}", call=event.call + descriptor))

    def _awaited(self) -> int:
        step = self.trace.steps[self.step_number]
        return step.count if isinstance(step, steps.AwaitHeld) else 1

    @event.register
    def _call_trace(self, event: seen.CallTrace, index: int) -> None:
        self.gated(self.trace.rest())

    @event.register
    def _dropped(self, event: seen.DatagramsDropped, index: int) -> None:
        self.mark(self.cast.wire, "dropped", spoken(event.line()))

    @event.register
    def _server_ended(self, event: seen.ServerEnded, index: int) -> None:
        if self.restarted and event.status in (-signal.SIGTERM, -signal.SIGKILL):
            return  # the end we made ourselves, between two lives
        self.dead = True
        self.mark(SERVER, "died", phrases.ended(event), bad=self.fault.found)

    @event.register
    def _started(self, event: seen.Started, index: int) -> None:
        self.restarted = True
        self.rows.append(Band("look", plain(phrases.asked_to_start(event)), step=self.step_number))
        self.dead = not event.listening and event.what != "second"
        bad = self.fault.found and not _started_well(event)
        self.mark(SERVER, "started", phrases.started(event), bad=bad)
        for line in event.left_over:
            self.mark(SERVER, "blocked", say("left over: {line}", line=line), bad=self.fault.found)

    @event.register
    def _crashed(self, event: seen.CrashedProcess, index: int) -> None:
        lane = child(event.pid) if event.pid in self.cast.children else SERVER
        self.mark(lane, "died", phrases.death(-event.signal), bad=self.fault.found)

    @event.register
    def _sanitizer(self, event: seen.SanitizerReport, index: int) -> None:
        self.mark(SERVER, "sanitizer", spoken(event.line()), bad=self.fault.found)
