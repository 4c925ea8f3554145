"""Rules by which the hostile proxy changes what Redis answers.

    reply, rest = split(data)       the first whole reply, or (b"", data)
    told = change(random.Random(7), reply, seen)
    told.pieces, told.ends          as of http_answers.py
    told.again                      wait for the next reply, and go after it

A rule is a function (rng, reply) -> None that edits a Reply.  Bytes of an
object's body are left alone: in a record only its head has a checksum.
"""

import re

RECORD = re.compile(rb"NCR[12]", re.S)

OTHERS = [b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"$0\r\n\r\n", b":0\r\n", b":1\r\n",
          b":-1\r\n", b":9223372036854775807\r\n", b":9223372036854775808\r\n",
          b":x\r\n", b":\r\n", b"+OK\r\n", b"+\r\n", b"+QUEUED\r\n", b"-\r\n",
          b"-ERR no\r\n", b"-MOVED 1 127.0.0.1:1\r\n", b"-NOSCRIPT no\r\n",
          b"-READONLY no\r\n", b"-NOAUTH no\r\n", b"-OOM no\r\n",
          b"-LOADING no\r\n", b"-BUSY no\r\n", b"-MISCONF no\r\n",
          b"-NOREPLICAS no\r\n", b"-MASTERDOWN no\r\n", b"-" + b"e" * 70_000 + b"\r\n",
          b"$3\r\nhit\r\n", b"*2\r\n$-1\r\n$-1\r\n", b"*2\r\n$1\r\na\r\n$3\r\nhit\r\n",
          b"*3\r\n$-1\r\n$3\r\nhit\r\n$-1\r\n", b"*1\r\n*1\r\n*1\r\n:1\r\n",
          b"*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\ny\r\n",
          b">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n", b"%1\r\n+a\r\n+b\r\n", b"~1\r\n:1\r\n",
          b"#t\r\n", b"_\r\n", b",1.5\r\n", b"(12345678901234567890\r\n",
          b"=7\r\ntxt:abc\r\n", b"|1\r\n+a\r\n+b\r\n:1\r\n"]

BAD = [b"$-2\r\n", b"$-9999999999\r\n", b"$999999999999\r\nabc", b"$4294967296\r\nabc",
       b"$9223372036854775807\r\nabc", b"$18446744073709551616\r\nabc", b"$x\r\n",
       b"$\r\n", b"$5\r\nhelloXX", b"$5\nhello\n", b"*-2\r\n", b"*2147483647\r\n",
       b"*1024\r\n", b"*4294967297\r\n:1\r\n", b"*x\r\n", b"*1\r\n" * 300,
       b"*1024\r\n" * 5, (b"*1024\r\n" + b"*0\r\n" * 1023) * 3,
       b"\r\n", b"\n", b"\0" * 50, b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 70_000,
       b"+" + b"s" * 300_000, b"$16777217\r\n" + b"b" * 200_000]


class Reply:
    def __init__(self, data, seen):
        self.data, self.seen = data, seen
        self.slices, self.ends, self.after = 1, "keep", b""

    @property
    def fixed(self):
        """How many bytes from the front no byte may change unnoticed."""
        found = RECORD.search(self.data)
        if not found:
            return len(self.data)
        at = found.start()
        return at + int.from_bytes(self.data[at + 4:at + 8], "little")


def change(rng, data, seen, rules=None):
    """One rule, by chance; seen: replies of before, as strings."""
    reply = Reply(data, seen)
    reply.rule = rng.choice(sorted(rules or RULES))
    RULES[reply.rule](rng, reply)
    size = max(1, len(reply.data) // reply.slices)
    reply.pieces = [reply.data[i:i + size] for i in range(0, len(reply.data), size)]
    return reply


def split(data):
    """The first reply of data, and what is behind it."""
    end = end_of(data, 0)
    return (data[:end], data[end:]) if end else (b"", data)


def end_of(data, at):
    """Where the reply ends that begins there; 0: it is not whole."""
    line = data.find(b"\r\n", at) + 2
    if line < 2:
        return 0
    kind, number = data[at:at + 1], data[at + 1:line - 2]
    if kind == b"$" and int(number) >= 0:
        end = line + int(number) + 2
        return end if end <= len(data) else 0
    if kind == b"*":
        for _ in range(max(int(number), 0)):
            line = end_of(data, line)
            if not line:
                return 0
    return line


def is_string(data):
    return data[:1] == b"$" and data[:3] != b"$-1"


def string(value):
    return b"$%d\r\n%b\r\n" % (len(value), value)


def value(data):
    return data[data.index(b"\r\n") + 2:-2]


def name(data):
    """Of the object that a record is of, which stands behind the stamp."""
    return value(data)[40:88]


# Rules

def bend(rng, reply):
    """A byte changed, lost or doubled, where that can be noticed."""
    at = rng.randrange(reply.fixed)
    one = reply.data[at:at + 1]
    other = rng.choice([bytes([one[0] ^ (1 << rng.randrange(8))]), b"", one * 2,
                        bytes([rng.randrange(256)])])
    if reply.data[:1] == b":" and other.isdigit():
        other = b"x"                # another number could be the right one
    reply.data = reply.data[:at] + other + reply.data[at + 1:]


def bend_record(rng, reply):
    """A string of its own length, with a byte of what is not the body changed."""
    if is_string(reply.data):
        start = reply.data.index(b"\r\n") + 2
        if reply.fixed > start:
            at = rng.randrange(start, reply.fixed)
            byte = bytes([reply.data[at] ^ (1 << rng.randrange(8))])
            reply.data = reply.data[:at] + byte + reply.data[at + 1:]


def cut_string(rng, reply):
    """A string that is shorter than it was, and says so."""
    if is_string(reply.data) and len(value(reply.data)):
        text = value(reply.data)
        reply.data = string(text[:rng.randrange(len(text))])


def lengthen_string(rng, reply):
    if is_string(reply.data):
        reply.data = string(value(reply.data) + rng.choice([b"\0", b"x" * 9, b"y" * 70_000]))


def another_string(rng, reply):
    """The record of another key.  (An older one of this key, or an older epoch,
    would be believed, and rightly.)"""
    others = [one for one in reply.seen
              if RECORD.search(one) and name(one) != name(reply.data)]
    if is_string(reply.data) and others:
        reply.data = rng.choice(others)


def another_type(rng, reply):
    number = reply.data[:1] == b":"
    reply.data = rng.choice([one for one in OTHERS
                             if not number or not re.match(rb":-?\d", one)])


def bad(rng, reply):
    reply.data = rng.choice(BAD)
    reply.ends = rng.choice(["keep", "cut", "reset"])


def nested(rng, reply):
    reply.data = b"*1\r\n" * rng.choice([1, 6, 7, 8, 2000]) + reply.data


def wide(rng, reply):
    reply.data = b"*1024\r\n" + b"*1024\r\n" * rng.choice([20, 2000])


def twice(_rng, reply):
    reply.data *= 2


def unasked(rng, reply):
    """After it, or before: one more."""
    more = rng.choice(OTHERS)
    reply.data = reply.data + more if rng.random() < 0.5 else more + reply.data


def swallowed(_rng, reply):
    reply.data = b""


def cut(rng, reply):
    reply.data = reply.data[:rng.randrange(len(reply.data))]
    reply.ends = rng.choice(["cut", "reset", "stall"])


def elements(rng, reply):
    """Of an array: one too few, too many, in another order."""
    if reply.data[:1] != b"*" or reply.data[:2] in (b"*-", b"*0"):
        return
    rest, parts = reply.data[reply.data.index(b"\r\n") + 2:], []
    while rest:
        one, rest = split(rest)
        parts.append(one)
    how = rng.randrange(4)
    if how == 0:
        rng.shuffle(parts)
    elif how == 1:
        parts.pop()
    elif how == 2:
        parts.append(rng.choice(OTHERS))
    else:
        parts[rng.randrange(len(parts))] = rng.choice(OTHERS)
    reply.data = b"*%d\r\n" % len(parts) + b"".join(parts)


def bytes_one_by_one(_rng, reply):
    reply.slices = 100


RULES = {rule.__name__: rule for rule in [
    bend, bend_record, cut_string, lengthen_string, another_string,
    another_type, bad, nested, wide, twice, unasked, swallowed, cut, elements,
    bytes_one_by_one]}
