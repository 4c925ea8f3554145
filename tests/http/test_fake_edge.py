"""The fake of Cloudflare's API with a real edge behind it, Varnish: what is
purged is asked for again, what is not stays.
"""

import http.server
import threading

import pytest

import edge
from test_fake_cloudflare import codes


class Origin(http.server.ThreadingHTTPServer):
    """Answers what .pages says; .seen notes the requests."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), OriginHandler)
        self.pages, self.seen = {}, []
        self.asked = threading.Condition()

    def saw(self, *request):
        with self.asked:
            self.seen.append(request)
            self.asked.notify_all()

    def wait(self, requests_):
        with self.asked:
            return self.asked.wait_for(
                lambda: len(self.seen) >= requests_, 30)

    def page(self, path, body, **headers):
        """Put a page; its ETag follows its body."""
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        headers = {"CDN-Cache-Control": "max-age=1000",
                   "ETag": f'"{body}"', **headers}
        self.pages[path] = body, {k: v for k, v in headers.items() if v}


class OriginHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.saw(self.command, self.path,
                        self.headers.get("If-None-Match"))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body, headers = self.server.pages[self.path.partition("?")[0]]
        same = self.headers.get("If-None-Match") == headers["ETag"]
        self.send_response(304 if same else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        if not same:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not same and self.command != "HEAD":
            self.wfile.write(body.encode())

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Origin, Varnish, fake: as in production, but for the name."""
    origin = Origin()
    thread = threading.Thread(target=origin.serve_forever)
    thread.start()
    try:
        with edge.start_varnish(tmp_path_factory.mktemp("edge"),
                                origin.server_port) as varnish, \
             edge.start_fake_cloudflare(varnish) as fake:
            yield origin, varnish, fake
    finally:
        origin.shutdown()
        thread.join()
        origin.server_close()


@pytest.fixture
def world(real):
    origin, varnish, fake = real
    fake.reset("enterprise")
    assert fake.purge(purge_everything=True).json()["success"]
    fake.reset("enterprise")
    origin.pages.clear()
    origin.seen.clear()
    return real


def state(answer):
    return answer.headers["X-Edge-Cache"], answer.text


def is_dropped(answer):
    """The origin was asked.  xkey leaves what it purges, with no lifetime, to
    the thread that expires objects: until that has come, Varnish still asks
    with the old one's ETag."""
    return answer.headers["X-Edge-Cache"] in ("MISS", "REVALIDATED")


@pytest.mark.parametrize("name, body, gone", [
    ("own tag", {"tags": ["c1"]}, {"/a/1"}),
    ("shared tag, other case", {"tags": ["NEWS"]}, {"/a/1", "/a/b/2"}),
    ("part of a tag", {"tags": ["new"]}, set()),
    ("URL", {"files": ["https://www.example.com/a/1"]}, {"/a/1"}),
    ("URL, port and case", {"files": ["HTTPS://WWW.example.com:443/a/1"]},
     {"/a/1"}),
    ("URL, other scheme", {"files": ["http://www.example.com/a/1"]}, set()),
    ("URL, other query", {"files": ["https://www.example.com/a/1?x"]}, set()),
    ("URL, other Origin", {"files": [
        {"url": "https://www.example.com/a/1",
         "headers": {"Origin": "https://o"}}]}, set()),
    ("prefix", {"prefixes": ["www.example.com/a"]}, {"/a/1", "/a/b/2"}),
    ("prefix with a slash", {"prefixes": ["WWW.example.com/a/b/"]},
     {"/a/b/2"}),
    ("prefix that is the path", {"prefixes": ["www.example.com/a/b/2"]},
     {"/a/b/2"}),
    ("prefix of a segment", {"prefixes": ["www.example.com/a/b/2x"]}, set()),
    ("prefix of one host", {"prefixes": ["example.com"]}, set()),
    ("prefix with a comma", {"prefixes": ["www.example.com/ab/c,d"]},
     {"/ab/c,d"}),
    ("host", {"hosts": ["www.example.com"]}, {"/a/1", "/a/b/2", "/ab/c,d"}),
    ("other host", {"hosts": ["example.com"]}, set()),
    ("everything", {"purge_everything": True},
     {"/a/1", "/a/b/2", "/ab/c,d"}),
])
@pytest.mark.parametrize("action, after", [
    ("purge", "MISS"), ("invalidate", "EXPIRED")])
def test_edge_drops_what_was_named(world, action, after, name, body, gone):
    origin, varnish, fake = world
    pages = {"/a/1": "c1, News", "/a/b/2": "c2,,news,", "/ab/c,d": "c3"}
    for path, tags in pages.items():
        origin.page(path, "old", Cache_Tag=tags)
        assert state(varnish.get(path)) == ("MISS", "old")
        assert state(varnish.get(path)) == ("HIT", "old")
        origin.page(path, "new", Cache_Tag=tags)

    answer = fake.post(action, body)
    assert answer.json()["success"] is True
    for path in pages:
        assert state(varnish.get(path)) == (
            (after, "new") if path in gone else ("HIT", "old")), path
    assert fake.calls(1)[0]["evicted"] == len(gone)


def test_edge_keys_by_origin_header_and_tag_gets_them_all(world):
    origin, varnish, fake = world
    origin.page("/k", "old", Cache_Tag="c1")
    assert state(varnish.get("/k"))[0] == "MISS"
    assert state(varnish.get("/k", Origin="https://o"))[0] == "MISS"
    assert state(varnish.get("/k", Origin="https://o"))[0] == "HIT"
    fake.purge(files=["https://www.example.com/k"])
    assert state(varnish.get("/k", Origin="https://o"))[0] == "HIT"
    fake.purge(files=[{"url": "https://www.example.com/k",
                       "headers": {"Origin": "https://o"}}])
    assert is_dropped(varnish.get("/k", Origin="https://o"))
    assert is_dropped(varnish.get("/k"))
    fake.purge(tags=["c1"])
    assert fake.calls(3)[2]["evicted"] >= 2


def test_edge_keeps_deep_paths_and_large_tags(world):
    origin, varnish, fake = world
    deep = "/a" * 511
    tags = ",".join(f"{i:010}" for i in range(1450))        # 16 KB
    origin.page(deep, "x", Cache_Tag=tags)
    assert state(varnish.get(deep)) == ("MISS", "x")
    for body in ({"tags": ["0000001449"]},
                 {"prefixes": ["www.example.com" + "/a" * 31]},
                 {"prefixes": ["www.example.com/a"]},
                 {"files": ["https://www.example.com" + deep]}):
        assert state(varnish.get(deep))[0] == "HIT"
        fake.purge(**body)
        assert is_dropped(varnish.get(deep))


def test_invalidated_object_is_revalidated(world):
    origin, varnish, fake = world
    origin.page("/v", "same", Cache_Tag="c1")
    varnish.get("/v")
    for _ in range(2):                  # a revived object keeps its keys
        fake.invalidate(tags=["c1"])
        assert state(varnish.get("/v")) == ("REVALIDATED", "same")
        assert state(varnish.get("/v")) == ("HIT", "same")
    assert origin.seen == [("GET", "/v", None)] + [("GET", "/v", '"same"')] * 2


def test_stale_while_revalidate_counts_from_the_invalidation(world):
    origin, varnish, fake = world
    origin.page("/s", "old", Cache_Tag="c1",
                CDN_Cache_Control="max-age=1000, stale-while-revalidate=1000")
    varnish.get("/s")
    fake.invalidate(tags=["c1"])
    assert state(varnish.get("/s")) == ("UPDATING", "old")
    assert origin.wait(2)
    assert origin.seen[1] == ("GET", "/s", '"old"')


@pytest.mark.parametrize("name, headers, second", [
    ("kept by default", {"CDN_Cache_Control": None}, "HIT"),
    ("Cache-Control", {"CDN_Cache_Control": None,
                       "Cache_Control": "no-store"}, "BYPASS"),
    ("CDN-Cache-Control wins", {"CDN_Cache_Control": "max-age=9",
                                "Cache_Control": "no-store"}, "HIT"),
    ("Cloudflare's own wins", {"Cloudflare_CDN_Cache_Control": "private",
                               "CDN_Cache_Control": "max-age=9"}, "BYPASS"),
    ("no-cache", {"CDN_Cache_Control": "no-cache"}, "REVALIDATED"),
    ("s-maxage", {"CDN_Cache_Control": "max-age=0, s-maxage=9"}, "HIT"),
    ("s-maxage switches stale off", {
        "CDN_Cache_Control": "s-maxage=0, stale-while-revalidate=9"},
     "REVALIDATED"),
    ("cookie", {"Set_Cookie": "a=b"}, "BYPASS"),
])
def test_edge_obeys_the_origin(world, name, headers, second):
    origin, varnish, _ = world
    origin.page("/h", "x", **headers)
    varnish.get("/h")
    assert state(varnish.get("/h")) == (second, "x")


def test_visitors_see_no_tags(world):
    origin, varnish, _ = world
    origin.page("/t", "x", Cache_Tag="c1",
                Cloudflare_CDN_Cache_Control="max-age=9")
    for _ in range(2):
        headers = varnish.get("/t").headers
        assert headers["CDN-Cache-Control"] == "max-age=1000"
        assert not {"cache-tag", "xkey", "x-edge-fill", "x-edge-policy",
                    "cloudflare-cdn-cache-control"} & {
                        h.lower() for h in headers}


def test_writes_and_authorized_reads_pass(world):
    origin, varnish, _ = world
    origin.page("/p", "x")
    varnish.get("/p")
    for method in ("PUT", "POST", "DELETE"):
        answer = varnish.session.request(
            method, varnish.url + "/p", data="body", timeout=30,
            headers={"Host": "www.example.com"})
        assert state(answer) == ("BYPASS", "x")
    assert state(varnish.get("/p", Authorization="Bearer x"))[0] == "BYPASS"
    assert state(varnish.get("/p"))[0] == "HIT"
    assert [m for m, _, _ in origin.seen] == [
        "GET", "PUT", "POST", "DELETE", "GET"]


def test_edge_out_of_reach_is_an_error():
    with edge.start_fake_cloudflare("127.0.0.1:1") as fake:
        assert codes(fake.purge(tags=["a"])) == [1017]
