"""Rules by which the hostile proxy changes what S3 answers.

    told = change(random.Random(7), request, head, body)
    told.pieces         what goes out instead, one after the other
    told.ends           "keep" the connection, "cut", "reset" or "stall" it
    told.lie            nobody could tell that this is not the object

A rule is a function (rng, answer) -> None that edits an Answer; RULES names
them.  What could be any server's honest word (another body of the same length,
a whole ETag, a shorter length of what nobody knows) is a lie, and counts only
for what has to live through it.
"""

import re

# of which one byte more or less is another honest word
TOLD_ONLY = re.compile(rb"^(etag|content-length|content-range|x-amz-meta-sha256):",
                       re.I)

STATUS_LINES = [
    b"", b"\r\n", b"HTTP/1.1\r\n", b"HTTP/1.1 %d\r\n", b"HTTP/1.0 %d OK\r\n",
    b"HTTP/9.9 %d OK\r\n", b"HTTP/1.1 %d0 OK\r\n", b"HTTP/1.1 -1 OK\r\n",
    b"HTTP/1.1 2x0 OK\r\n", b"ICY %d OK\r\n", b"http/1.1 %d ok\r\n",
    b"HTTP/1.1  %d  OK\r\n", b"HTTP/1.1 %d OK\n", b"HTTP/1.1 %d O\0K\r\n",
    b"HTTP/1.1 99999999999999999999 OK\r\n", b"HTTP/2 %d\r\n", b"+PONG\r\n",
    b"HTTP/1.1 %d " + b"x" * 70_000 + b"\r\n", b"PRI * HTTP/2.0\r\n\r\n",
    b"\x16\x03\x01\x00\x05hello", b"HTTP/1.1 %d OK\r\n\r\n",
]

STATUSES = [0, 100, 101, 103, 199, 201, 202, 203, 204, 205, 206, 226, 299, 300,
            301, 302, 304, 307, 308, 400, 401, 403, 405, 409, 412, 416, 417,
            429, 500, 501, 502, 503, 504, 505, 507, 599, 600, 999]

MALFORMED = {
    b"ETag": [b"", b"abc", b'"', b'"abc', b'abc"', b'"a"b"', b'"a b"',
              b'"\x01"', b'"a\xff"', b'"a", "b"', b"W/", b"*", b'""x',
              b'"' + b"a" * 66_000],
    b"Last-Modified": [b"", b"now", b"Thu, 32 Foo 2026 99:99:99 GMT", b"0",
                       b"-1", b"Thu, 01 Jan 1970 00:00:00", b"\xff" * 29],
    b"Content-Length": [b"", b"-1", b"+5", b"0x10", b"1e3", b"5 5", b"5, 6",
                        b"9" * 30, b"18446744073709551615", b"NaN"],
    b"Content-Range": [b"", b"bytes */5", b"bytes 5-3/9", b"bytes 0-0/0",
                       b"bytes 0-18446744073709551615/2", b"lines 1-2/3",
                       b"bytes 0-1", b"\xff"],
    b"Transfer-Encoding": [b"gzip", b"gzip, chunked", b"chunked, chunked",
                           b"xchunked", b"identity", b"\x0bchunked"],
    b"Connection": [b"close, close", b"upgrade", b"\xff", b"etag"],
    b"Date": [b"", b"tomorrow", b"Fri, 31 Dec 9999 23:59:59 GMT"],
    b"Retry-After": [b"-1", b"9" * 40, b"soon"],
    b"Content-Encoding": [b"gzip", b"br", b"\xff"],
    b"Location": [b"http://127.0.0.1:1/", b"//", b"\xff"],
    b"Set-Cookie": [b"a=b"],
    b"x-amz-bucket-region": [b"", b"r" * 5000, b"eu\xffx", b"../../x", b"a b"],
    b"x-amz-meta-sha256": [b"", b"0" * 63, b"0" * 65, b"g" * 64],
    b"x-amz-meta-cache-tag": [b"\xff\x01", b"," * 5000, b"t" * 17_000],
    b"x-amz-meta-": [b"", b"x"],
    b"x-amz-meta-a\xff": [b"x"],
    b"x-amz-version-id": [b"\xff", b"v" * 3000],
}

CHUNK_SIZES = [b"zz", b"-5", b"", b"f" * 16, b"f" * 40, b"0x5", b"5;" + b"x" * 9000,
               b"7fffffffffffffff", b" ", b"0"]


class Answer:
    def __init__(self, request, head, body):
        self.request, self.body = request, body
        lines = head[:-4].split(b"\r\n") if head else [b"HTTP/1.1 500 x"]
        self.status_line, self.fields = lines[0] + b"\r\n", lines[1:]
        self.status = int(lines[0].split(b" ")[1])
        self.first = b""            # what goes before the head
        self.text = None            # all of it, when a rule has written that
        self.slices = 1
        self.ends, self.lie = "keep", False

    @property
    def known(self):
        """Whether the origin knows how long the object is."""
        return "if-match" in self.request.headers

    @property
    def is_object(self):
        return (self.request.method == "GET" and self.status in (200, 206)
                and b"xml" not in (self.value(b"content-type") or b""))

    @property
    def is_digest(self):
        """Of an object, in its tag."""
        return "tagging" in self.request.path

    @property
    def head(self):
        return self.status_line + b"".join(f + b"\r\n" for f in self.fields) + b"\r\n"

    def whole(self):
        return self.first + self.head + self.body if self.text is None else self.text

    def names(self):
        return [f.partition(b":")[0] for f in self.fields]

    def value(self, name):
        for field in self.fields:
            if field.lower().startswith(name.lower() + b":"):
                return field.partition(b":")[2].strip()
        return None

    def without(self, name):
        self.fields = [f for f in self.fields
                       if not f.lower().startswith(name.lower() + b":")]

    def set(self, name, value):
        self.without(name)
        self.fields.append(name + b": " + value)

    def resize(self):
        """The length of a body that has changed."""
        if self.value(b"content-length") is not None:
            self.set(b"Content-Length", b"%d" % len(self.body))

    def cut_or_stall(self, rng):
        self.ends = rng.choice(["cut", "cut", "reset", "stall"])


def change(rng, request, head, body, rules=None):
    """One rule, by chance; the Answer, with .rule and .pieces."""
    answer = Answer(request, head, body)
    answer.rule = rng.choice(sorted(rules or RULES))
    RULES[answer.rule](rng, answer)
    text = answer.whole()
    size = max(1, len(text) // answer.slices)
    answer.pieces = [text[i:i + size] for i in range(0, len(text), size)]
    return answer


def bent(rng, text):
    """Some bytes changed, lost or doubled."""
    data = bytearray(text)
    for _ in range(rng.choice([1, 1, 1, 4])):
        if not data:
            break
        i = rng.randrange(len(data))
        n = rng.choice([1, 1, 2, 8])
        how = rng.randrange(4)
        if how == 0:
            data[i] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[i] = rng.choice(b"\0\1\t\n\r \x7f\x80\xff:<>&;\"/")
        elif how == 2:
            del data[i:i + n]
        else:
            data[i:i] = data[i:i + n]
    return bytes(data)


# Rules

def bend_status_line(rng, answer):
    line = rng.choice(STATUS_LINES)
    answer.status_line = line % answer.status if b"%d" in line else line


def another_status(rng, answer):
    """Never one that turns a refusal into success."""
    status = rng.choice([s for s in STATUSES if answer.status < 300
                         or not 200 <= s < 300])
    answer.status_line = b"HTTP/1.1 %d Odd\r\n" % status


def bend_header(rng, answer):
    """A line that says something else then; of those of which one could not
    tell, a byte that must not be there."""
    if not answer.fields:
        return
    i = rng.randrange(len(answer.fields))
    field = answer.fields[i]
    if TOLD_ONLY.match(field):
        at = rng.randrange(len(field))
        field = field[:at] + rng.choice([b"\0", b"\1", b"\r", b"\n", b"\xff", b"\r\n"]
                                        ) + field[at:]
        answer.lie = b"\n" in field and field[:15].lower().startswith(b"content-length:")
    else:
        field = bent(rng, field)
    answer.fields[i] = field


def lose_line_end(rng, answer):
    if len(answer.fields) > 1:
        i = rng.randrange(len(answer.fields) - 1)
        answer.fields[i:i + 2] = [answer.fields[i] + answer.fields[i + 1]]


def lose_header(rng, answer):
    for _ in range(rng.choice([1, 1, 3])):
        if answer.fields:
            del answer.fields[rng.randrange(len(answer.fields))]


def lose_named(rng, answer):
    answer.without(rng.choice([b"ETag", b"Last-Modified", b"Content-Length",
                               b"Content-Type", b"x-amz-meta-sha256"]))


def double_header(rng, answer):
    if answer.fields:
        field = rng.choice(answer.fields)
        answer.fields.insert(rng.randrange(len(answer.fields) + 1), field)


def contradict(rng, answer):
    """The same name with another value that alone could be right."""
    other = {b"ETag": b'"0123456789abcdef0123456789abcdef"',
             b"Content-Length": b"%d" % rng.choice(
                 [0, 1, max(0, len(answer.body) - 1), len(answer.body) + 1, 1 << 40]),
             b"Last-Modified": b"Thu, 01 Jan 2015 00:00:00 GMT",
             b"x-amz-meta-sha256": b"0" * 64}
    name = rng.choice(sorted(other))
    if answer.value(name) not in (None, other[name]):
        answer.fields.insert(rng.choice([0, len(answer.fields)]),
                             name + b": " + other[name])


def shuffle_headers(rng, answer):
    rng.shuffle(answer.fields)


def malformed_header(rng, answer):
    name = rng.choice(sorted(MALFORMED))
    answer.set(name, rng.choice(MALFORMED[name]))


def huge_headers(rng, answer):
    n, size = rng.choice([(1, 5_000), (1, 40_000), (1, 200_000), (8, 60_000),
                          (40, 9_000), (5_000, 20), (100, 300)])
    name = rng.choice([b"x-huge-%d", b"x-amz-meta-h%d", b"Content-Type",
                       b"x-amz-meta-cache-tag"])
    for i in range(n):
        answer.fields.append((name % i if b"%d" in name else name)
                             + b": " + b"h" * size)


def chunked(rng, answer):
    """As chunks that are right, or not; with a length, or without."""
    if rng.random() < 0.7:
        answer.without(b"Content-Length")
    answer.set(b"Transfer-Encoding", b"chunked")
    body, out = answer.body, []
    wrong = rng.choice([None, "size", "more", "less", "end", "trailer", "data"])
    while body:
        n = rng.randrange(1, len(body) + 1) if len(out) < 6 else len(body)
        size = n
        if wrong in ("more", "less") and rng.random() < 0.6:
            size += 1 if wrong == "more" else -1
        line = b"%x" % max(size, 0)
        if wrong == "size" and rng.random() < 0.6:
            line = rng.choice(CHUNK_SIZES)
        out.append(line + b"\r\n" + body[:n] + (b"" if wrong == "data" else b"\r\n"))
        body = body[n:]
    out.append({"end": b"", "trailer": b'0\r\nETag: "trailer"\r\n\r\n'}.get(
        wrong, b"0\r\n\r\n"))
    answer.body = b"".join(out)
    if wrong in ("end", "more", "size"):
        answer.cut_or_stall(rng)


def longer_than_it_is(rng, answer):
    length = int(answer.value(b"content-length") or 0)
    answer.set(b"Content-Length", b"%d" % (length + rng.choice([1, 100, 1 << 20, 1 << 45])))
    answer.lie = answer.request.method == "HEAD"
    answer.cut_or_stall(rng)


def shorter_than_it_is(rng, answer):
    length = int(answer.value(b"content-length") or 0)
    if length:
        answer.set(b"Content-Length", b"%d" % rng.randrange(length))
        answer.lie = (answer.request.method == "HEAD"
                      or answer.is_object and not answer.known)


def two_at_once(rng, answer):
    extra = rng.choice([answer.whole(), answer.head, b"x", b"\r\n", b"\0" * 100,
                        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                        b'HTTP/1.1 200 OK\r\nETag: "unasked"\r\nLast-Modified: '
                        b"Thu, 01 Jan 2015 00:00:00 GMT\r\nContent-Length: 3"
                        b"\r\n\r\nabc"])
    answer.text = answer.whole() + extra


def provisional(rng, answer):
    one = rng.choice([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n",
                      b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
                      b'HTTP/1.1 100 Continue\r\nETag: "hint"\r\nContent-Length: 9\r\n\r\n',
                      b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"])
    answer.first = one * rng.choice([1, 1, 2, 30, 3000])


def cut(rng, answer):
    text = answer.whole()
    edge = len(answer.head)
    at = rng.choice([0, 1, rng.randrange(edge), edge, edge - 1,
                     rng.randrange(len(text)), len(text) - 1])
    answer.text = text[:at]
    answer.cut_or_stall(rng)


def garbage(rng, answer):
    texts = [b"", b"\0", b"\r\n" * 5000, b"$5\r\nhello\r\n", rng.randbytes(3000),
             b"GET / HTTP/1.1\r\n\r\n", b"<html>no</html>",
             b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n"]
    if answer.status < 300:
        texts += [b"HTTP/1.1 200 OK\r\n\r\n",
                  b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    answer.text = rng.choice(texts)
    answer.cut_or_stall(rng)


def bytes_one_by_one(_rng, answer):
    answer.slices = 300


BOMB = (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY %c "%b">' % (98 + i, b"&%c;" % (97 + i) * 10)
                   for i in range(9)) + b"]><Error><Code>&j;</Code></Error>")

DOCUMENTS = [
    BOMB, b"", b"<", b"<Error/>", b"<Error>", b"<a>" * 20_000,
    b"<Error><Code>NoSuchKey</Code>", b"<Error><Code>" + b"x" * 60_000,
    b'<?xml version="1.0" encoding="UTF-16"?><Error/>',
    b'<?xml version="1.0" encoding="x"?><Error/>', b"\xff\xfe<\0E\0",
    b"<Error><Code>a\r\nb</Code><Message>%s%n\0</Message></Error>",
    b"<Error><Code>RequestTimeTooSkewed</Code></Error>",
    b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>"
    + b"r" * 3000 + b"</Region></Error>",
    b'{"Error": "NoSuchKey"}',
]


def another_document(rng, answer):
    """Instead of an answer in XML, or of no body."""
    if answer.is_object or answer.request.method == "HEAD":
        return
    answer.body = rng.choice(DOCUMENTS)
    answer.resize()


def bend_document(rng, answer):
    """In the document that it is: bytes, or an element lost or doubled."""
    if answer.is_object or not answer.body:
        return
    body = answer.body
    if rng.random() < 0.5:
        elements = list(re.finditer(rb"<(\w+)[^>]*>[^<]*</\1>", body))
        if elements:
            one = rng.choice(elements)
            body = (body[:one.start()] + one[0] * rng.choice([0, 2, 50])
                    + body[one.end():])
    else:
        body = bent(rng, body)
    answer.body = body
    answer.lie = answer.is_digest
    answer.resize()


def empty_values(rng, answer):
    if answer.body and not answer.is_object:
        answer.lie = answer.is_digest
        answer.body = re.sub(rb">[^<>]+<", rng.choice(
            [b"><", b">-1<", b">true<", b">\xff<", b">" + b"9" * 40 + b"<"]), answer.body)
        answer.resize()


def bend_body(rng, answer):
    """Of an object: a lie.  Its length stays."""
    if answer.is_object and answer.body:
        at = rng.randrange(len(answer.body))
        answer.body = (answer.body[:at] + bytes([answer.body[at] ^ 1])
                       + answer.body[at + 1:])
        answer.lie = True


RULES = {rule.__name__: rule for rule in [
    bend_status_line, another_status, bend_header, lose_line_end, lose_header,
    lose_named, double_header, contradict, shuffle_headers, malformed_header,
    huge_headers, chunked, longer_than_it_is, shorter_than_it_is, two_at_once,
    provisional, cut, garbage, bytes_one_by_one, another_document,
    bend_document, empty_values, bend_body]}
