"""The rules of Cloudflare's purge API, without any HTTP: what a body may
say, how much a plan allows, and what the edge is to be asked for.

README.md says where each rule comes from, and where it is a guess.
"""

import collections
import math
import re
import threading
import time
import urllib.parse

HOST = re.compile(r"(?=.{1,200}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
                  r"(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.I)

# Per account: flex calls (tags, hosts, prefixes, everything) are counted in
# calls, URLs are counted one by one.
PLANS = {
    "free":       dict(rate=5 / 60, bucket=25, items=100,
                       url_rate=800, urls=100),
    "pro":        dict(rate=5, bucket=25, items=100,
                       url_rate=1500, urls=100),
    "business":   dict(rate=10, bucket=50, items=100,
                       url_rate=1500, urls=100),
    "enterprise": dict(rate=50, bucket=500, items=100,
                       url_rate=3000, urls=500),
}
# Per token, whatever is called; then nothing at all for as long again.
REQUESTS = dict(requests=1200, window=300)

RATE_LIMITED = (1134, "Unable to purge, rate limit reached. Please wait and "
                      "consider throttling your request speed")
NO_SELECTOR = (1012, 'Request must contain one of "purge_everything", '
                     '"files", "tags", "hosts" or "prefixes"')
NO_ARRAY = (1014, '"files", "tags", "hosts" or "prefixes" must be an array')


class Refusal(Exception):
    """The API's answer to a call that it does not carry out."""

    def __init__(self, status, *errors, headers=None):
        super().__init__(status, errors)
        self.status = status
        self.errors = [error(*e) if isinstance(e, tuple) else e
                       for e in errors]
        self.headers = headers or {}


def error(code, message, *chain):
    out = {"code": code, "message": message}
    if chain:
        out["error_chain"] = [error(*link) for link in chain]
    return out


# Limits

class Bucket:
    """A token bucket: `rate` tokens a second, at most `size` saved up."""

    def __init__(self, rate, size):
        self.rate, self.size = rate, size
        self.tokens, self.at = size, time.monotonic()

    def take(self, n):
        """Take n tokens: 0, or the seconds until there will be as many."""
        now = time.monotonic()
        self.tokens = min(self.size,
                          self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= n:
            self.tokens -= n
            return 0
        return (n - self.tokens) / self.rate if self.rate else math.inf


class Window:
    """At most `limit` requests in `seconds`; one more blocks as long."""

    def __init__(self, limit, seconds):
        self.limit, self.seconds = limit, seconds
        self.seen, self.blocked_until = collections.deque(), 0

    def take(self):
        now = time.monotonic()
        while self.seen and self.seen[0] <= now - self.seconds:
            self.seen.popleft()
        if now >= self.blocked_until and len(self.seen) >= self.limit:
            self.blocked_until = now + self.seconds
        if now < self.blocked_until:
            return self.blocked_until - now
        self.seen.append(now)
        return 0


class Limits:
    """The limits in force, and what is left of them."""

    def __init__(self, plan):
        self.lock = threading.Lock()
        self.set({"plan": plan})

    def set(self, change):
        with self.lock:
            plan = change.pop("plan", None)
            values = ({**PLANS[plan], **REQUESTS} if plan
                      else dict(self.values))
            unknown = set(change) - set(values)
            if unknown:
                raise KeyError(", ".join(sorted(unknown)))
            self.values = {**values, **change}
            v = self.values
            self.calls = Bucket(v["rate"], v["bucket"])
            self.urls = Bucket(v["url_rate"], max(v["url_rate"], v["urls"]))
            self.window = Window(v["requests"], v["window"])

    def request(self):
        with self.lock:
            wait = self.window.take()
        if wait:
            raise Refusal(429, (971, "Please wait and consider throttling "
                                     "your request speed"),
                          headers={"Retry-After": math.ceil(round(wait, 3))})

    def purge(self, name, n):
        with self.lock:
            bucket, n = (self.urls, n) if name == "files" else (self.calls, 1)
            wait = bucket.take(n)
            left = int(bucket.tokens)
        if wait:
            wait = max(1, math.ceil(min(wait, 86400)))
            raise Refusal(429, RATE_LIMITED, headers={
                "Retry-After": wait, "x-ratelimit-limit": int(bucket.size),
                "x-ratelimit-remaining": left, "x-ratelimit-reset": wait})


# What a call may ask for: one check an item (None, or the error it gets),
# and one purge of the edge an item (path, headers).

def check_tag(tag, zones):
    if len(tag) > 1024:
        return 1100, "Tag exceeds maximum length of 1024 characters"
    if not re.fullmatch(r"[!-+\--~]+", tag):
        return 1084, f"Unable to purge '{tag}'."
    return None


def check_host(host, zones):
    if len(host) > 200:
        return 1114, "Host exceeds maximum length of 200 characters"
    if not HOST.fullmatch(host):
        return 1115, "Invalid host"
    return in_zone(host, host, zones)


def check_prefix(prefix, zones):
    host = prefix.partition("/")[0]
    if (not HOST.fullmatch(host) or re.search(r"[\s?#*]|[^ -~]", prefix)
            or prefix.count("/") > 31):
        return 1084, f"Unable to purge '{prefix}'."
    return in_zone(host, prefix, zones)


def check_file(entry, zones):
    url = entry if isinstance(entry, str) else entry["url"]
    match = re.fullmatch(r"https?://([^/?#@\s]+?)(:\d{1,5})?([/?][^\s#]*)?",
                         url, re.I)
    if not match or not HOST.fullmatch(match[1]):
        return 1084, f"Unable to purge {url}, which is an invalid URL."
    return in_zone(match[1], url, zones)


def in_zone(host, item, zones):
    host = host.lower()
    if not zones or any(host == z or host.endswith("." + z) for z in zones):
        return None
    return (1082, f"Unable to purge '{item}'. "
                  "You can only purge files for this zone")


def key(kind):
    """The edge files every object under such keys (see edge.vcl)."""
    def purge(item):
        item = item.replace(",", "%2C")
        if kind == "prefix":
            host, slash, path = item.partition("/")
            item = host.lower() + slash + path
        else:
            item = item.lower()
        return "/", {"X-Purge-Key": f"{kind}:{item}"}
    return purge


def purge_file(entry):
    if isinstance(entry, str):
        entry = {"url": entry}
    url = urllib.parse.urlsplit(entry["url"])
    scheme, host = url.scheme.lower(), url.netloc.lower()
    host = re.sub(":443$" if scheme == "https" else ":80$", "", host)
    path = (url.path or "/") + ("?" + url.query if url.query else "")
    printable = "".join(map(chr, range(0x21, 0x7f)))
    return (urllib.parse.quote(path, safe=printable),
            {**entry.get("headers", {}),
             "Host": host, "X-Forwarded-Proto": scheme})


Selector = collections.namedtuple("Selector", "limit too_many check purge")
SELECTORS = {
    "files": Selector("urls", 1094, check_file, purge_file),
    "tags": Selector("items", 1101, check_tag, key("tag")),
    "hosts": Selector("items", 1111, check_host, key("host")),
    "prefixes": Selector("items", 1101, check_prefix, key("prefix")),
}
EVERYTHING = "purge_everything"


def read_selector(body, limits):
    """The body's one selector and its items, or a refusal of the whole."""
    if not isinstance(body, dict):
        raise Refusal(400, (6007, "Malformed JSON in request body"))
    names = [n for n in SELECTORS if n in body]
    if EVERYTHING in body and names:
        raise Refusal(400, (1092, 'Request cannot contain "purge_everything" '
                                  'and any of "files", "tags", "hosts" or '
                                  '"prefixes"'))
    if EVERYTHING in body and body[EVERYTHING] is not True:
        raise Refusal(400, (1013, '"purge_everything" must be true'))
    if len(body) != 1 or not (names or EVERYTHING in body):
        raise Refusal(400, NO_SELECTOR)
    if EVERYTHING in body:
        return EVERYTHING, []
    name, items = names[0], body[names[0]]
    if not isinstance(items, list):
        raise Refusal(400, NO_ARRAY)
    if not items:
        raise Refusal(400, NO_SELECTOR)
    most = limits[SELECTORS[name].limit]
    if len(items) > most:
        raise Refusal(400, (SELECTORS[name].too_many,
                            f"Exceeded maximum amount of {most} {name} that "
                            "can be purged on a single request"))
    for item in items:
        check_type(name, item)
    return name, items


def check_type(name, item):
    if isinstance(item, str):
        return
    if name != "files" or not isinstance(item, dict):
        raise Refusal(400, NO_ARRAY)
    headers = item.get("headers", {})
    if (not isinstance(item.get("url"), str) or set(item) - {"url", "headers"}
            or not isinstance(headers, dict)
            or not all(isinstance(v, str) and re.fullmatch("[ -~]*", v)
                       and re.fullmatch("[A-Za-z0-9-]+", k)
                       for k, v in headers.items())):
        raise Refusal(400, NO_SELECTOR)
