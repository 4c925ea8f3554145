"""What the clients' operations say of the keys, for the judge (history.py).

    history.add("write", key, value, begin, end, status, where)
    history.add("copy", source, etag, begin, end, status, where, target=key)
    history.add("restore", key, etag, begin, end, status, where)
    history.close(now)          # where all that was begun has ended
    history.violations()        # (key, Violation)

    kind      value                  more
    read      what was read
    write     what was written       expected, if it had a condition
    delete                           expected
    batch     (a key of several)
    purge     what was written past the fleet, then purged
    copy      the copy's ETag        target, expected (of the source), alone
    move      the same               (of the target: Overwrite: F)
    restore   that of the version    expected

expected is the value of If-Match, or ABSENT for If-None-Match: *; Overwrite: F
expects ABSENT of the target.  An answer
that says that nothing was changed is taken by its word.  One that does not say
so, or none, leaves open whether it was, until close().
"""

import collections
import functools
import hashlib

from history import (ABSENT, FOREVER, Read, Refusal, Success, Write, Writes,
                     judge)

SEEN = (200, 206, 304, 404)             # a read that tells something
UNTOUCHED = (401, 403, 404, 405, 412)


LARGE = "+"                             # at the end of a value
SIZE, PART = 6 << 20, 5 << 20           # of a large body; of S3's parts


@functools.lru_cache(8)
def body(value):
    """Of an object.  A large one tells its value from end to end."""
    if not value.endswith(LARGE):
        return value.encode()
    line = value.encode() + b"\n"
    return line * (SIZE // len(line))


def value_of(data):
    """The value of such a body."""
    value = data[:64].decode("latin-1").partition("\n")[0]
    return value if body(value) == data else f"{len(data)} bytes of {value}"


@functools.lru_cache(1000)
def etags(value):
    """What the ETag of such a body can be: S3's, of one piece and of parts,
    and the files'."""
    data = body(value)
    return (f'"{hashlib.md5(data).hexdigest()}"',
            etag_of_parts(data, PART), etag_of_parts(data, SIZE),
            f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def etag_of_parts(data, size):
    parts = [hashlib.md5(data[i:i + size]).digest()
             for i in range(0, len(data), size)]
    return f'"{hashlib.md5(b"".join(parts)).hexdigest()}-{len(parts)}"'


Copy = collections.namedtuple("Copy", "source target etag begin end sure")


class History:
    """Of all keys, over all phases of one round."""

    def __init__(self, exact=True, count=lambda kind, status: None):
        """exact: a condition of a DELETE or of a COPY holds until it is done.  On
        S3 that hangs on a lock in Redis, which may be lost with Redis."""
        self.exact, self.count = exact, count
        self.writes = collections.defaultdict(list)
        self.reads = collections.defaultdict(list)
        self.refusals = collections.defaultdict(list)
        self.successes = collections.defaultdict(list)
        self.copies = []
        self.untold = set()             # keys changed past the fleet

    def add(self, kind, key, value, begin, end, status, where, **more):
        known = 200 <= status < 300
        self.count(kind + " if" * ("expected" in more)
                   + " alone" * more.get("alone", False), status)
        where = f"{where} ({kind})" if kind != "read" else where
        if "expected" in more:
            self._condition(kind, key, Success(more["expected"], begin, end,
                                               where), status)
        if kind == "read":
            if status in SEEN:
                self.reads[key].append(Read(value, begin, end, where))
        elif kind in ("copy", "move"):
            self._copy(kind, key, value, begin, end, status, where,
                       more["target"])
            if more.get("alone"):
                self._condition("alone", more["target"],
                                Success(ABSENT, begin, end, where), status)
        elif status not in UNTOUCHED:
            if kind == "purge" and not known:
                self.untold.add(key)
            self._write(key, ABSENT if kind in ("delete", "batch") else value,
                        begin, end, known)
        elif kind == "delete" and status == 404:
            self.reads[key].append(Read(ABSENT, begin, end, where))

    def _write(self, key, value, begin, end, known):
        self.writes[key].append(
            Write(value, begin, end if known else FOREVER, known))

    def _condition(self, kind, key, success, status):
        if status == 412:
            self.refusals[key].append(Refusal(*success))
        elif 200 <= status < 300:
            self.reads[key].append(Read(*success))
            if kind == "write" or (kind in ("delete", "alone") and self.exact):
                self.successes[key].append(success)

    def _copy(self, kind, key, etag, begin, end, status, where, target):
        known = 200 <= status < 300
        if status == 404:
            self.reads[key].append(Read(ABSENT, begin, end, where))
        if status in UNTOUCHED:
            return
        if known:                       # of what is read when ETags are known
            self.reads[key].append(Read(etag, begin, end, where))
        self.copies.append(Copy(key, target, etag, begin,
                                end if known else FOREVER, known))
        if kind == "move" and status != 409:        # then the source stays
            self._write(key, ABSENT, begin, end, known)

    def close(self, now):
        """All that was open is over: applied by now, or never."""
        for writes in [*self.writes.values(), self.copies]:
            writes[:] = [w if w.end < FOREVER else w._replace(end=now)
                         for w in writes]

    def violations(self):
        self._copied()
        for key in sorted({*self.reads, *self.refusals, *self.successes}):
            for violation in judge(self.writes[key], self.reads[key],
                                   self.refusals[key], self.successes[key]):
                yield key, violation

    def _copied(self):
        """Copies become writes.  Of an acknowledged one the ETag tells the
        value.  Besides, and of another, it may be any that the source had
        meanwhile: storage that says that it has failed is asked twice.  No
        target is a source."""
        known = {etag: w.value for writes in self.writes.values()
                 for w in writes if w.value for etag in etags(w.value)}
        for key, writes in self.writes.items():     # some were restored
            self.writes[key] = [w._replace(value=known.get(w.value, w.value))
                                for w in writes]
        sources = {copy.source: Writes(self.writes[copy.source])
                   for copy in self.copies}
        assert not {copy.target for copy in self.copies} & set(sources)
        for source in sources:
            self.reads[source] = [
                read._replace(value=known.get(read.value, read.value))
                for read in self.reads[source]]
        for copy in self.copies:
            sure = copy.sure and known.get(copy.etag, copy.etag)
            values = {*sources[copy.source].possible(copy.begin, copy.end),
                      sure} - {ABSENT, False}
            self.writes[copy.target] += [
                Write(value, copy.begin, copy.end, value == sure)
                for value in values]
        self.copies.clear()
