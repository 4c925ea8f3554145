"""The subjects: ngx_content in its several states, and what Debian has to
compare it with.  All of them answer the same objects under the same names.

A peer is started once, warmed and checked for each object before it is
measured (the status, every byte, and where the answer came from), and
stopped by pid.
"""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import string
import sys
import threading
import time

import load
from servers import (CLIENT_CORE, MODULE, Memcached, Nginx, Process, Redis, Trouble,
                     free_port, knows_directive, listens)

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))

from s3_fault_proxy import FaultProxy, hold  # noqa: E402

KIB = 1024
MIB = 1024 * KIB
SIZES = (KIB, 16 * KIB, 128 * KIB, MIB)
SMALL = 4 * KIB                                 # of the uncached reads

MODULES = "/usr/lib/nginx/modules"
TOKEN = "benchmark-token"

# An object that is passed on is not written to disk on its way.
PROXY_TUNING = "proxy_max_temp_file_size 0;"

# Letters and digits: it has to fit into nginx's configuration.
BLOCK = "".join(random.Random(1).choices(string.ascii_letters + string.digits,
                                         k=KIB))


def body(size):
    return (BLOCK * (size // KIB)).encode()


def name_of(size):
    return f"{size // KIB}k.bin"


def size_text(size):
    return (f"{size // 2**30} GiB" if size >= 2**30 else
            f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB")


class Site:
    """What the peers share."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.files = self.place / "files"
        self.s3 = None
        self.backend = None                 # of Varnish and srcache


class Peer:
    """name is its column in var/bench.json, title its row in the table."""

    name = title = None
    server = None

    def start(self, site):
        raise NotImplementedError

    def url(self, size):
        return f"http://127.0.0.1:{self.server.port}/{name_of(size)}"

    def warm(self, size):
        """Asks until the answer comes from where it is meant to."""
        for _ in range(40):
            status, headers, data = load.fetch(self.url(size))
            if status != 200 or data != body(size):
                raise Trouble(f"HTTP {status}, {len(data)} bytes of {size}")
            if self.is_warm(headers):
                return
            time.sleep(0.05)
        raise Trouble(f"it does not keep {size_text(size)}")

    def is_warm(self, _headers):
        return True

    def stop(self):
        if self.server:
            self.server.stop()


# nginx by itself

class Return(Peer):
    """A constant; the configuration takes no longer text than 4 KiB, so the
    larger ones are put together for each request."""

    name, title = "return", "nginx `return 200`, body of that size"

    def start(self, site):
        locations = [f'location = /{name_of(KIB)} {{ return 200 "{BLOCK}"; }}']
        for size in SIZES[1:]:
            text = "$block" * (size // KIB) if size <= 128 * KIB else (
                "$blocks" * (size // (128 * KIB)))
            locations.append(
                f'location = /{name_of(size)} {{ set $block "{BLOCK}"; '
                f'set $blocks "{"$block" * 128}"; return 200 "{text}"; }}')
        locations.append("location = /not-modified { return 304; }")
        self.server = Nginx("return", site.place, server="\n".join(locations))


class Static(Peer):
    name, title = "static", "nginx static, `open_file_cache`"
    http = ""

    def start(self, site):
        self.server = Nginx(
            self.name, site.place,
            http="open_file_cache max=1000 inactive=1h; "
                 f"open_file_cache_valid 1h; {self.http}",
            server=f'root "{site.files}";')


class StaticNopush(Static):
    """The head and the begin of the body in one packet: quicker for some
    sizes, slower for others."""

    name, title = "static_nopush", "the same with `tcp_nopush`"
    http = "tcp_nopush on;"


class ProxyCache(Peer):
    name, title = "proxy_cache", "nginx `proxy_cache`, before S3"

    def start(self, site):
        self.server = Nginx(
            "proxy_cache", site.place,
            http=f'proxy_cache_path "{site.place}/cache" keys_zone=c:8m '
                 "inactive=1h max_size=1g use_temp_path=off;"
                 "open_file_cache max=1000 inactive=1h;"
                 "open_file_cache_valid 1h;" + upstream(site),
            server="proxy_cache c; proxy_cache_valid 200 1h;"
                   "add_header X-Cache $upstream_cache_status;"
                   + proxy(site))

    def is_warm(self, headers):
        return headers.get("x-cache") == "HIT"


class ProxyPass(Peer):
    name, title = "proxy_pass", "nginx `proxy_pass` to the same S3"

    def start(self, site):
        self.server = Nginx("proxy_pass", site.place, http=upstream(site),
                            server=proxy(site))


class ProxySigned(Peer):
    """As proxy_pass, with what S3 has to verify for us, too: the requests for
    an object all carry one signature, made beforehand."""

    name, title = "proxy_signed", "nginx `proxy_pass`, signed beforehand"

    def start(self, site):
        locations = "\n".join(
            proxy(site, f"= /{key}", site.s3.signed_headers(key),
                  f"/{site.s3.bucket}/{key}")
            for key in (name_of(SMALL), "medium.bin"))
        self.server = Nginx(self.name, site.place, http=upstream(site),
                            server=locations)


class ProxyMade(Peer):
    """proxy_pass to objects that are made up."""

    name, title = "proxy_made", "nginx `proxy_pass`"

    def start(self, site):
        self.server = Nginx(
            self.name, site.place,
            http="upstream made { server "
                 f"127.0.0.1:{Made.server.port}; keepalive 64; }}",
            server="location / { proxy_http_version 1.1; "
                   'proxy_set_header Connection ""; '
                   f"{PROXY_TUNING} proxy_pass http://made/bench/; }}")

    def url(self, size):
        path = f"/{name_of(SMALL)}" if size == SMALL else Made.path(5)
        return f"http://127.0.0.1:{self.server.port}{path}"

    def warm(self, size):
        status, _, _ = load.fetch(self.url(size))
        if status != 200:
            raise Trouble(f"HTTP {status}")


def upstream(site):
    return f"upstream s3 {{ server {site.s3.host()}; keepalive 64; }}"


def proxy(site, location="/", headers=None, uri=None):
    sent = "".join(f'proxy_set_header {name} "{value}"; ' for name, value in (
        headers or {"Host": "$proxy_host"}).items())
    return (f"location {location} {{ proxy_http_version 1.1; "
            f'proxy_set_header Connection ""; {sent}'
            f"{PROXY_TUNING} "
            f"proxy_pass http://s3{uri or f'/{site.s3.bucket}/'}; }}")


class Srcache(Peer):
    name, title = "srcache", "nginx srcache, memcached"

    def __init__(self):
        self.memcached = None

    def start(self, site):
        self.begin(site, site.backend)

    def begin(self, site, backend):
        self.memcached = Memcached(site.place)
        self.server = Nginx(
            self.name, site.place,
            modules=[f"{MODULES}/ndk_http_module.so",
                     f"{MODULES}/ngx_http_memc_module.so",
                     f"{MODULES}/ngx_http_srcache_filter_module.so"],
            http=f"upstream m {{ server unix:{self.memcached.socket}; "
                 "keepalive 64; }",
            server="location / { srcache_fetch GET /memc $uri; "
                   "srcache_store PUT /memc $uri; "
                   "add_header X-Fetched $srcache_fetch_status; "
                   f"proxy_pass {backend}; }}"
                   "client_max_body_size 8m; "
                   "location = /memc { internal; "
                   "set $memc_key $query_string; set $memc_exptime 3600; "
                   "memc_pass m; }")

    def is_warm(self, headers):
        return headers.get("x-fetched") == "HIT"

    def stop(self):
        super().stop()
        if self.memcached:
            self.memcached.stop()


# other servers

class Varnish(Peer):
    name, title = "varnish", "Varnish, malloc"

    def start(self, site):
        vcl = site.place / "varnish.vcl"
        host, port = site.backend.removeprefix("http://").split(":")
        vcl.write_text(
            f'vcl 4.1;\nbackend b {{ .host = "{host}"; .port = "{port}"; }}\n'
            "sub vcl_backend_response { set beresp.ttl = 1h; }\n"
            "sub vcl_deliver {\n"
            "    if (obj.hits > 0) { set resp.http.X-Cache = \"HIT\"; }\n}\n")
        port = free_port()
        self.server = Process("varnish", site.place, [
            "varnishd", "-F", "-j", "none", "-n", site.place / "varnish",
            "-f", vcl, "-a", f"127.0.0.1:{port}", "-T", "none",
            "-s", "malloc,256m"])
        self.server.port = port
        self.server.wait(lambda: listens(port))

    def is_warm(self, headers):
        return headers.get("x-cache") == "HIT"


class H2o(Peer):
    name, title = "h2o", "h2o static"

    def start(self, site):
        port = free_port()
        conf = site.place / "h2o.yaml"
        conf.write_text(
            f"listen:\n  host: 127.0.0.1\n  port: {port}\nnum-threads: 1\n"
            f"pid-file: {site.place}/h2o.pid\n"
            + ("user: root\n" if os.geteuid() == 0 else "")
            + "hosts:\n  default:\n    paths:\n      /:\n"
            f"        file.dir: {site.files}\n")
        self.server = Process("h2o", site.place, ["h2o", "-c", conf])
        self.server.port = port
        self.server.wait(lambda: listens(port))


# ngx_content

def remove_tree(path):
    shutil.rmtree(path, ignore_errors=True)


def ours(site, name, store, http="", endpoint=None, credentials=None,
         files=None):
    """An nginx with the module, alone if nothing else is said; editors' token
    TOKEN, reading is free."""
    if "content_redis " in http and "content_fleet " not in http:
        http += " content_fleet alone;"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    tokens = site.place / f"{name}.tokens"
    tokens.write_text(f"bench sha256:{digest} read,write,purge,admin /\n")
    files = files or site.place / f"{name}.objects"
    files.mkdir(exist_ok=True)
    if store == "file":
        where = f'content_file_root "{files}";'
    else:
        bucket = site.s3.bucket if site.s3 else "bench"
        where = (f"content_s3_endpoint {endpoint or site.s3.endpoint}; "
                 f"content_s3_bucket {bucket}; content_s3_style path; "
                 "content_s3_credentials file "
                 f'"{credentials or site.s3.credentials}";')
    return Nginx(name, site.place, modules=[MODULE], http=http,
                 server=f'content_tokens "{tokens}"; content_anonymous read; '
                        f"client_max_body_size 8g; {where} "
                        f"location / {{ content {store}; }}")


class OursHot(Peer):
    """Answered from a cache before the store."""

    store, endpoint = "file", None
    http = ""
    source = None                               # in Cache-Status

    def __init__(self):
        self.redis = None

    def start(self, site):
        self.redis = Redis(f"{self.name}-redis", site.place)
        self.server = ours(site, self.name, self.store,
                           f"content_redis unix:{self.redis.socket}; "
                           f"content_hot hits=2 size=2m; {self.http}",
                           self.endpoint)
        fill(self, site)

    def status(self):
        """What /-/status says."""
        with contextlib.closing(http.client.HTTPConnection(
                "127.0.0.1", self.server.port, timeout=20)) as connection:
            connection.request("GET", "/-/status", headers={
                "Authorization": f"Bearer {TOKEN}"})
            return json.load(connection.getresponse())

    def lookups(self):
        """How many requests have asked Redis."""
        return self.status()["redis"]["lookups"]

    def is_warm(self, headers):
        status = headers.get("cache-status", "")
        return "; hit" in status and self.source in (
            None, "redis" if "detail=redis" in status else "memory")

    def stop(self):
        super().stop()
        if self.redis:
            self.redis.stop()


class OursMemory(OursHot):
    name, title = "l1", "**ngx_content**, shared memory (L1)"
    http = "content_memory 64m;"
    source = "memory"

    def start(self, site):
        if not knows_directive(site.place, self.http):
            raise Trouble("the module has no content_memory yet")
        super().start(site)


class OursRedis(OursHot):
    name, title = "redis", "**ngx_content**, Redis (L1 off)"
    source = "redis"


class OursUploads(OursHot):
    """With S3 behind it: takes uploads, and answers a cached object
    meanwhile, from memory."""

    name, title, store = "uploads", "**ngx_content**, S3, memory", "s3"
    http = "content_memory 64m;"


class OursCold(OursHot):
    """With S3 behind a proxy that holds its answers back and counts them."""

    name, title, store = "cold", "**ngx_content**, S3, Redis", "s3"
    http = "content_memory 64m;"

    def __init__(self):
        super().__init__()
        self.proxy = None

    def start(self, site):
        self.proxy = FaultProxy(site.s3.host())
        self.endpoint = self.proxy.endpoint
        super().start(site)

    def hold(self, key):
        """An event; S3's next answer with that object comes when it is set."""
        event = threading.Event()
        self.proxy.fault(hold(event), method="GET", path=key)
        return event

    def waiting(self):
        """How many requests have begun a fill or joined one."""
        node = self.status()["node"]
        return node["fills"] + node["fills_joined"]

    def reads(self, key):
        """How often the object was asked for at S3."""
        return sum(1 for r in self.proxy.requests if r.path.endswith(key))

    def stop(self):
        super().stop()
        if self.proxy:
            self.proxy.__exit__()


class Made(Peer):
    """
    Stands for S3 where there are too many objects for a real one: makes each
    of them up from its path (keys.h), with a size of its class.  Besides, a
    small one with all the headers that Ceph's gateway sends.
    """

    name = "made"
    SIZES = (16, 512, 1024, 2048)
    HEADERS = ('add_header ETag \'"0123456789abcdef0123456789abcdef"\';'
               'add_header Last-Modified "Sun, 06 Nov 1994 08:49:37 GMT";')

    GATEWAY = ('add_header Accept-Ranges bytes;'
               'add_header x-rgw-object-type Normal;'
               'add_header x-amz-request-id '
               'tx000009508016e2d0e59da-006b078ecf-1012-default;')

    @classmethod
    def start(cls, site):
        cls.server = Nginx(
            cls.name, site.place, core=CLIENT_CORE,
            server=cls.HEADERS + "default_type text/plain;" + cls.locations()
            + cls.small())

    @classmethod
    def small(cls):
        return (f"location ~ ^/[^/]+/{name_of(SMALL)}$ {{ {cls.HEADERS} "
                f'{cls.GATEWAY} set $block "{BLOCK}"; '
                f'return 200 "{"$block" * (SMALL // KIB)}"; }}')

    @classmethod
    def locations(cls):
        return "\n".join(
            f'location ~ ^/[^/]+/k{kind}/ {{ return 200 "{BLOCK * 2:.{size}}"; '
            "}" for kind, size in enumerate(cls.SIZES))

    @staticmethod
    def kind(number):
        """key_class() of keys.h."""
        n = number ^ number >> 16
        n = n * 0x85ebca6b & 0xffffffff
        n ^= n >> 13
        n = n * 0xc2b2ae35 & 0xffffffff
        return (n ^ n >> 16) % len(Made.SIZES)

    @staticmethod
    def path(number):
        return f"/k{Made.kind(number)}/{number:08x}"


class OursMany(Peer):
    """The memory cache before objects that are made up; everything that is
    asked for is kept."""

    def __init__(self, name, zone):
        self.name, self.zone = name, zone

    def start(self, site):
        kib = max(8 * MIB, self.zone) // KIB
        self.server = ours(
            site, self.name, "s3",
            f"content_memory {kib}k max=64k; content_hot ttl=1d;",
            f"http://127.0.0.1:{Made.server.port}", made_credentials(site))


class OursRedisMany(OursHot):
    """Redis before the same."""

    name, title = "redis_many", "**ngx_content**, Redis (L1 off)"

    def start(self, site):
        self.redis = Redis(f"{self.name}-redis", site.place)
        self.server = ours(
            site, self.name, "s3",
            f"content_redis unix:{self.redis.socket}; content_hot ttl=1d;",
            f"http://127.0.0.1:{Made.server.port}", made_credentials(site))


class SrcacheMany(Srcache):
    """srcache and memcached before the same."""

    name = "srcache_many"

    def start(self, site):
        self.begin(site, f"http://127.0.0.1:{Made.server.port}/bench/")


class OursMade(ProxyMade):
    """Without a cache, before objects that are made up."""

    name, title = "s3_made", "**ngx_content**, S3, no cache"

    def start(self, site):
        self.server = ours(site, self.name, "s3", "",
                           f"http://127.0.0.1:{Made.server.port}",
                           made_credentials(site))


def made_credentials(site):
    credentials = site.place / "made.credentials"
    credentials.write_text("[default]\naws_access_key_id = bench\n"
                           "aws_secret_access_key = bench\n")
    return credentials


class OursFile(Peer):
    name, title = "file", "**ngx_content**, file store, no cache"

    def start(self, site):
        self.server = ours(site, self.name, "file")
        fill(self, site)


class OursS3(Peer):
    name, title = "s3", "**ngx_content**, S3, no cache"

    def start(self, site):
        self.server = ours(site, self.name, "s3")


class OursS3Unsigned(Peer):
    """As over https, but without what TLS costs."""

    name, title = "s3_unsigned", "**ngx_content**, S3, payload not signed"

    def start(self, site):
        self.server = ours(site, self.name, "s3",
                           "content_s3_sign_payload off;")


def fill(peer, site):
    """Puts the objects into the peer's own store."""
    for size in SIZES:
        load.curl("-T", site.files / name_of(size),
                  "-H", f"Authorization: Bearer {TOKEN}", peer.url(size))


class NotModified(Peer):
    """A peer's answer to an If-None-Match with its own entity tag."""

    def __init__(self, peer, name, title):
        self.peer, self.name, self.title = peer, name, title
        self.headers = []

    def url(self, size):
        if isinstance(self.peer, Return):
            return f"http://127.0.0.1:{self.peer.server.port}/not-modified"
        return self.peer.url(size)

    def warm(self, size):
        if not isinstance(self.peer, Return):
            self.peer.warm(size)
            _, headers, _ = load.fetch(self.peer.url(size))
            self.headers = [f"If-None-Match: {headers['etag']}"]
        status, _, _ = load.fetch(self.url(size), *self.headers)
        if status != 304:
            raise Trouble(f"HTTP {status} instead of 304")
