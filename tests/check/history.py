"""Judges what was seen of one key: was a read older than it may be?

A write carries a value, a removal ABSENT.  Times are those of one monotonic
clock.  What is promised: a read returns the newest write that was acknowledged
before the read began, or one that was concurrent with it.

The clients' PUTs carry a value that no other PUT carries.  A key that is copied
to may have a value more than once, as it may be absent more than once: then a
read of it is of any of those writes, and only wrong if it is for all of them.

A write that is not sure may be applied at any time between its begin and its
end (FOREVER: nobody knows when), or never: a read may return it all that time.
That excuses its own value alone; what it may not excuse is any other older
value.

Four rules find what is wrong.  With "acknowledged" and "before" in the sense of
the clock:

  overtaken   The read returns A.  A had been acknowledged when another write B
              began, and B had been acknowledged when the read began.
  displaced   A and B were concurrent, so the clock does not order them; but an
              earlier read, which began after A was acknowledged, returned B.
              So B came after A in storage.  B too was acknowledged when
              this read began.
  refused     A write on the condition that A is there was answered 412; but A
              had been acknowledged before, and no other write was under way
              from when that of A began to the end of the refused one.
  twice       Two writes on the condition that A is there were both
              acknowledged, and no write of A was under way at any time of them.

A write on a condition that is acknowledged is also a read of what it expected.
"""

import bisect
from collections import defaultdict, namedtuple

FOREVER = float("inf")
ABSENT = None

# sure: it was acknowledged, so it has been applied by its end
Write = namedtuple("Write", "value begin end sure", defaults=(True,))
Read = namedtuple("Read", "value begin end where")

# Of a write on a condition: what has to be there for it.
Refusal = namedtuple("Refusal", "value begin end where")
Success = namedtuple("Success", "value begin end where")

FIRST = Write(ABSENT, -FOREVER, -FOREVER)


class Violation(namedtuple("Violation", "rule read newer older")):
    """newer, older: writes, or None; of "twice" newer is the other one."""

    def __str__(self):
        read, newer = self.read, self.newer
        if self.rule == "refused":
            return (f"refused: {read.where} did not find {read.value}"
                    f" {read.begin - self.older.end:.3f} s after that was"
                    " acknowledged")
        if self.rule == "twice":
            return (f"twice: {read.where} and {newer.where} both replaced"
                    f" {read.value}")
        return f"{self.rule}: {read.where} gave {read.value}" + (
            f" {read.begin - newer.end:.3f} s after {newer.value} was"
            " acknowledged" if newer else "")


class _Newest:
    """Of things that count from a time on: the greatest by then."""

    def __init__(self, things):
        """things: (time, rank, thing)"""
        self.times, self.best = [], []
        for time, rank, thing in sorted(things, key=lambda t: t[:2]):
            if self.best and rank <= self.best[-1][0]:
                continue
            self.times.append(time)
            self.best.append((rank, thing))

    def before(self, time):
        """(rank, thing) of the greatest that counts before time, or None."""
        i = bisect.bisect_left(self.times, time)
        return self.best[i - 1] if i else None


class Writes:
    """Of one key, which is absent at first."""

    def __init__(self, writes):
        self.all = [FIRST, *writes]
        self.of = defaultdict(list)
        for write in self.all:
            self.of[write.value].append(write)
        self._ends = {value: _Newest((w.begin, w.end, w) for w in of)
                      for value, of in self.of.items()}
        self._begun = _Newest((w.end, w.begin, w) for w in self.all if w.sure)

    def latest(self, value, time):
        """Of the writes of value that had begun by then, the one that ended
        last; None: there is none."""
        found = value in self._ends and self._ends[value].before(time)
        return found[1] if found else None

    def newest(self, time):
        """Of those acknowledged by then, the one that began last."""
        found = self._begun.before(time)
        return found[1] if found else FIRST

    def possible(self, begin, end):
        """The values that a read between begin and end may return."""
        floor = self.newest(begin).begin
        return [value for value in self.of
                if (w := self.latest(value, end)) and w.end >= floor]


def judge(writes, reads, refusals=(), successes=()):
    """The violations."""
    writes = Writes(writes)
    violations, witnesses = [], []

    for read in reads:
        write = writes.latest(read.value, read.end)
        newer = writes.newest(read.begin)
        if write is None:
            violations.append(Violation("invented", read, None, None))
        elif write.end < newer.begin:
            violations.append(Violation("overtaken", read, newer, write))
        elif write.end < FOREVER:
            witnesses.append((max(read.end, write.end), read.begin,
                              (read, write)))

    return (violations + _displaced(writes, reads, witnesses)
            + _refused(writes, refusals) + _twice(writes, successes))


def _displaced(writes, reads, witnesses):
    violations = []
    newest = _Newest(witnesses)
    for read in reads:
        write = writes.latest(read.value, read.end)
        seen = newest.before(read.begin)
        if write is None or seen is None:
            continue
        began, (witness, newer) = seen
        # Of the same value, it may hide another witness: nothing is lost but
        # strength, for values soon change.
        if witness.value != read.value and write.end < began:
            violations.append(Violation("displaced", read, newer, write))
    return violations


def _refused(writes, refusals):
    violations = []
    for refusal in refusals:
        there = [w for w in writes.of[refusal.value]
                 if w.sure and w.end < refusal.begin]
        if not there:
            continue
        last = max(there, key=lambda w: w.begin)
        if not any(w.value != refusal.value and w.end > last.begin
                   and w.begin < refusal.end for w in writes.all):
            violations.append(Violation("refused", refusal, None, last))
    return violations


def _twice(writes, successes):
    """Of those that follow each other: the others are further apart."""
    violations, last = [], {}
    for success in sorted(successes, key=lambda s: s.begin):
        other = last.get(success.value)
        last[success.value] = success
        if other and not any(
                w.begin < max(success.end, other.end) and w.end > other.begin
                for w in writes.of[success.value]):
            violations.append(Violation("twice", success, other, None))
    return violations
