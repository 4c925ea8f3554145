"""Judges what was seen of one key: was a read older than it may be?

A write carries a value that no other write carries; a DELETE "writes" ABSENT.
Times are those of one monotonic clock.  What is promised: a read returns the
newest write that was acknowledged before the read began, or one that was
concurrent with it.

A write whose outcome nobody knows may be applied at any time after it began:
its end is FOREVER, and a read may return it whenever it likes.  That excuses
its own value alone; what it may not excuse is any other older value.

Two rules find what is stale.  With "acknowledged" and "before" in the sense of
the clock:

  overtaken   The read returns A.  A had been acknowledged when another write B
              began, and B had been acknowledged when the read began.
  displaced   A and B were concurrent, so the clock does not order them; but an
              earlier read, which began after A was acknowledged, returned B.
              So B came after A in storage.  B too was acknowledged when
              this read began.
"""

import bisect
from collections import namedtuple

FOREVER = float("inf")
ABSENT = None

# end: FOREVER if the outcome is not known
Write = namedtuple("Write", "value begin end")
Read = namedtuple("Read", "value begin end where")


class Violation(namedtuple("Violation", "rule read newer older")):
    def __str__(self):
        read, newer = self.read, self.newer
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


def judge(writes, reads):
    """The violations.  The key is absent at first."""
    by_value = {}
    absent = [Write(ABSENT, -FOREVER, -FOREVER)]
    for write in writes:
        if write.value is ABSENT:
            absent.append(write)
        else:
            assert write.value not in by_value, f"{write.value} twice"
            by_value[write.value] = write

    begun = _Newest((w.end, w.begin, w) for w in writes if w.end < FOREVER)
    absent_end = _latest_end(absent)
    violations, witnesses = [], []

    for read in reads:
        if read.value is ABSENT:
            newer = begun.before(read.begin)
            if newer and absent_end(read.end) < newer[0]:
                violations.append(Violation("overtaken", read, newer[1], None))
            continue

        write = by_value.get(read.value)
        if write is None or write.begin > read.end:
            violations.append(Violation("invented", read, None, write))
            continue

        newer = begun.before(read.begin)
        if newer and write.end < newer[0]:
            violations.append(Violation("overtaken", read, newer[1], write))
            continue
        if write.end < FOREVER:
            witnesses.append((max(read.end, write.end), read.begin, read))

    return violations + _displaced(by_value, reads, witnesses)


def _latest_end(absent):
    """Of the deletions that had begun by a time, the latest end."""
    latest = _Newest((w.begin, w.end, w) for w in absent)
    return lambda time: latest.before(time)[0]


def _displaced(by_value, reads, witnesses):
    violations = []
    newest = _Newest(witnesses)
    for read in reads:
        write = by_value.get(read.value)
        if write is None:
            continue
        seen = newest.before(read.begin)
        # Of the same value, it may hide another witness: nothing is lost but
        # strength, for values soon change.
        if seen and seen[1].value != read.value and write.end < seen[0]:
            violations.append(Violation(
                "displaced", read, by_value[seen[1].value], write))
    return violations
