"""The same objects in origins that answer from one tier each: whatever is
asked, the answer has to be the same, but for Cache-Status.

    file        the file store, by nginx's file buffers
    s3          S3, to each request its own
    fill        S3, read once for the caches, and followed as it comes
    known       S3 for the bytes, memory for what the object is
    memory      the memory cache
    pages       its file, by sendfile() (of large objects)
    redis       Redis
    aged        memory, no longer fresh
    aged-redis  Redis, the same
    stale       memory, when S3 fails
    stale-redis Redis, the same
"""

import contextlib
import gzip
import re
import subprocess
import threading

from harness import Nginx, free_port, wait_until
from redis_server import Redis
from s3_fault_proxy import FaultProxy, s3_error

LARGE = 100 * 1024              # beyond CONTENT_SHARD_LARGE: sent as pages
MEMORY = "content_memory 16m max=1m;"
KNOWN = "content_memory 16m max=1k;"
HOT = "content_hot hits=1 size=1m;"
AGED = f"{HOT} content_fresh 1ms;"
EXPIRED = "content_hot hits=1 size=1m ttl=1ms; content_fresh 1ms;"

# what Cache-Status has to say
WHENCE = {
    "file": "ngx_content; fwd=uri-miss; detail=file",
    "s3": "ngx_content; fwd=uri-miss; detail=s3",
    "fill": "ngx_content; fwd=uri-miss; detail=s3",
    "known": "ngx_content; (hit; detail=memory|fwd=uri-miss; detail=s3)",
    "memory": "ngx_content; hit; detail=memory",
    "pages": "ngx_content; hit; detail=memory",
    "redis": "ngx_content; hit; detail=redis",
    "aged": r"ngx_content; hit(; ttl=-\d+)?; detail=memory",
    "aged-redis": r"ngx_content; hit(; ttl=-\d+)?; detail=redis",
    "stale": r"ngx_content; fwd=stale; fwd-status=502; ttl=-\d+; "
             "detail=memory",
    "stale-redis": r"ngx_content; fwd=stale; fwd-status=502; ttl=-\d+; "
                   "detail=redis",
}

# of the way to an answer, not of the object
APART = ("date", "expires", "connection", "cache-status", "server")


class Tiers:
    """All of them; locations: more of them, with CONTENT in each; http: more
    directives there; DIR in either is an origin's own directory; tls: names
    the certificate, if a port of TLS is wanted; only: those that are."""

    def __init__(self, workdir, s3, locations="", http="", tls="",
                 only=tuple(WHENCE)):
        self.dir, self.locations, self.http = workdir, locations, http
        self.tls = tls
        self.bucket = s3.bucket()
        self.open = contextlib.ExitStack()
        self.proxy = self.open.enter_context(
            FaultProxy(s3.endpoint.removeprefix("http://")))
        self.redis = self.open.enter_context(Redis(workdir / "redis"))
        self.origins, self.names = {}, {}
        far = self.bucket.through(self.proxy.endpoint)

        def cached(name):
            return {"redis": f"{self.redis.address} prefix=nc:{name}:"}
        for name, store, how in [
                ("file", "file", {"http": "sendfile on;"}),
                ("s3", self.bucket, {"http": ""}),
                ("fill", self.bucket, {"http": MEMORY}),
                ("known", self.bucket, {"http": KNOWN}),
                ("memory", self.bucket, {"http": MEMORY}),
                ("pages", self.bucket, {"http": f"{MEMORY} sendfile on;"}),
                ("redis", self.bucket, {"http": HOT, **cached("hot")}),
                ("aged", self.bucket, {"http": f"{MEMORY} {AGED}"}),
                ("aged-redis", self.bucket, {"http": AGED,
                                             **cached("aged")}),
                ("stale", far, {"http": f"{MEMORY} {EXPIRED}"}),
                ("stale-redis", far, {"http": EXPIRED,
                                      **cached("stale")})]:
            if name in only:
                self.start(name, store, **how)

    def start(self, name, store, **how):
        http2, tls = free_port(), free_port()
        locations = self.locations.replace(
            "CONTENT", "content file;" if store == "file" else "content s3;")
        how["http"] += " content_redis_timeout 10s; " + self.http
        how["server"] = f"listen 127.0.0.1:{http2} http2; {locations}"
        if self.tls:
            how["server"] += f"listen 127.0.0.1:{tls} ssl http2; {self.tls}"
        for level in ("http", "server"):
            how[level] = how[level].replace("DIR", str(self.dir / name))
        origin = Nginx(self.dir / name, store, workers=1, **how)
        self.origins[name] = self.open.enter_context(origin)
        origin.http2, origin.tls = http2, tls
        if "redis" in how:
            wait_until(lambda: origin.counters()["redis"]["ready"])

    def stop(self):
        self.open.close()

    def put(self, path, body, tags="t", **how):
        """A new object for all; the caches have it that are to answer."""
        etags = {}
        for name in {"file", "s3"} & set(self.origins):
            answer = self.origins[name].put(path, body, cache_tag=tags, **how)
            assert answer.status == 201, (name, answer)
            etags[name] = answer.headers["ETag"]
        for name, origin in self.origins.items():
            def get():
                answer = origin.get(path)
                assert answer.status == 200, (name, answer)
                return answer
            if name in ("memory", "pages", "redis"):
                wait_until(lambda: WHENCE[name] == get().headers[
                    "Cache-Status"], what=f"{path} in {name}")
            answer = get()
            self.names[name, path] = (      # which a filter may take away
                etags.get(name, etags["s3"]),
                answer.headers.get("Last-Modified", "no date"))

    def away(self):
        """All is put: from now on S3 fails for "stale", and at once."""
        self.proxy.fault(s3_error(403, "AccessDenied"), times=1 << 30)

    def ask(self, name, method, path, http2=False, **headers):
        """(status, headers, body) of one tier; {etag} and {date} in headers
        are the object's."""
        etag, date = self.names.get((name, path)) or ("none", "none")
        headers = {k: v.replace("{etag}", etag).replace("{date}", date)
                   for k, v in headers.items()}
        origin = self.origins[name]
        self.forget(name)
        return self.told(name, *(ask_http2(origin, method, path, headers)
                                 if http2 else
                                 ask_http1(origin, method, path, headers)))

    def forget(self, name):
        """Before it is asked."""
        if name == "fill":
            answer = self.origins[name].post("/-/purge", {"tags": ["t"]})
            assert answer.status == 202

    def told(self, name, status, items, body):
        """An answer, as it has to be from all; it is from that tier."""
        for key, value in items:
            assert (key.lower() != "cache-status"
                    or re.fullmatch(WHENCE[name], value)), (name, value)
        return self.reduced(name, status, items, body)

    def reduced(self, name, status, items, body):
        """Without what is a tier's own, or a moment's."""
        items = sorted((k.lower(), self.named(name, v)) for k, v in items
                       if k.lower() not in APART)
        if body and b"\x1f\x8b" == body[:2] and status == 200:
            body = gzip.decompress(body)    # as it came, piece by piece
        return status, items, re.sub(rb"\r\n--\d{20}", b"\r\n--", body)

    def named(self, name, value):
        """A header's value without what is a tier's own."""
        value = re.sub(r"boundary=\d+", "boundary=", value)
        for (of, path), (etag, date) in self.names.items():
            if of == name:
                value = value.replace(etag, f'"{path}"').replace(date, "then")
        return value

    def ask_all(self, method, path, **how):
        """What all answer: [(answer, the names of who gives it)]."""
        answers = {}
        for name in self.origins:
            answer = self.ask(name, method, path, **how)
            answers.setdefault(repr(answer), (answer, []))[1].append(name)
        return list(answers.values())

    def the_answer(self, method, path, **how):
        """What all answer alike: (status, headers, body)."""
        answers = self.ask_all(method, path, **how)
        assert len(answers) == 1, answers
        return answers[0][0]


def ask_http1(origin, method, path, headers):
    answer = origin.request(method, path, **headers)
    return answer.status, answer.headers.items(), answer.body


def ask_http2(origin, method, path, headers, *options, scheme="http"):
    """By curl; scheme: "https" for TLS, with what options say."""
    head = origin.dir / f"head-{threading.get_ident()}"
    how, port = ((["--http2-prior-knowledge"], origin.http2)
                 if scheme == "http" else (["-k"], origin.tls))
    done = subprocess.run(
        ["curl", "-s", *how, *options, "-D", head,
         "-I" if method == "HEAD" else "-g",
         f"{scheme}://127.0.0.1:{port}{path}",
         *(word for name, value in headers.items()
           for word in ("-H", f"{name.replace('_', '-')}: {value}"))],
        capture_output=True, check=True, timeout=60)
    first, *lines = head.read_text().strip().splitlines()
    items = [tuple(line.split(": ", 1)) for line in lines]
    return (int(first.split()[1]), items,
            b"" if method == "HEAD" else done.stdout)
