"""From the editor to the visitor: nginx, the (faked) API of the CDN, and a
real cache as its edge.  What an editor was told is done, visitors see.
"""

import shutil
import subprocess

import pytest

import edge
from harness import Nginx, free_port, wait_until
from redis_server import Redis

FAST = "content_purge_plan enterprise; content_hot hits=1;"


class Site:
    """All of it: .origin, .edge (Varnish), .fake (the API), .redis."""

    def __init__(self, workdir, store, server=""):
        port = free_port()
        self.parts = []
        try:
            self.edge = self.part(edge.start_varnish(workdir, port))
            self.fake = self.part(edge.start_fake_cloudflare(
                self.edge, plan="enterprise", zone_names=["example.com"]))
            self.redis = self.part(Redis(workdir / "redis"))
            self.origin = self.part(Nginx(
                workdir / "n", store, purge=self.fake, redis=self.redis,
                server=FAST + server, port=port))
        except BaseException:
            self.stop()
            raise

    def part(self, started):
        self.parts.append(started)
        return started

    def stop(self):
        while self.parts:
            self.parts.pop().stop()

    def get(self, path, **how):
        """A visitor's GET: (body, what the edge did)."""
        answer = self.edge.get(path, **how)
        return answer.content, answer.headers["X-Edge-Cache"]

    def warm(self, path, body, **how):
        """Until the edge answers by itself."""
        for _ in range(3):
            got = self.get(path, **how)
            assert got[0] == body
            if got[1] == "HIT":
                return
        raise AssertionError(f"{path} is not kept by the edge: {got}")

    def put(self, path, body, **how):
        """A PUT; returns when the edge has been purged as well."""
        answer = self.origin.put(path, body, **how)
        assert answer.status in (201, 204), answer
        self.wait(answer)

    def wait(self, answer):
        location = (answer.headers["X-Content-Purge"]
                    or answer.headers["Location"])
        if location and location.startswith("/-/purge/"):
            assert self.origin.finished_job(location)["state"] == "done"

    def purge(self, **body):
        answer = self.origin.post("/-/purge", body)
        assert answer.status == 202, answer
        self.wait(answer)


@pytest.fixture(scope="module")
def site(store, tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"), store)
    yield site
    site.stop()


# Writes

def test_edge_keeps_what_it_got(site, key):
    site.put(key, b"1")
    assert site.get(key) == (b"1", "MISS")
    for _ in range(3):
        assert site.get(key) == (b"1", "HIT")


def test_put_is_seen_by_visitors_when_its_job_is_done(site, key):
    site.put(key, b"0")
    for i in range(1, 8):
        site.warm(key, b"%d" % (i - 1))
        site.put(key, b"%d" % i)
        assert site.get(key) == (b"%d" % i, "MISS")


def test_put_of_a_large_object_is_seen(site, key):
    for i in range(3):
        body = bytes([65 + i]) * (6 << 20)
        site.put(key, body)
        assert site.get(key)[0] == body
        site.warm(key, body)


def test_delete_is_seen_by_visitors(site, key):
    site.put(key, b"1")
    site.warm(key, b"1")
    site.wait(site.origin.delete(key))
    assert site.edge.get(key).status_code == 404


def test_missing_object_is_not_remembered_as_missing(site, key):
    for _ in range(3):
        assert site.edge.get(key).status_code == 404
    site.put(key, b"now")               # creates: there is nothing to purge
    assert site.get(key)[0] == b"now"


def test_deleted_and_put_again_is_seen(site, key):
    for i in range(4):
        site.put(key, b"%d" % i)
        site.warm(key, b"%d" % i)
        site.wait(site.origin.delete(key))
        assert site.edge.get(key).status_code == 404


def test_headers_change_with_a_put(site, key):
    site.put(key, b"same", content_type="text/a")
    site.warm(key, b"same")
    site.put(key, b"same", content_type="text/b")
    assert site.edge.get(key).headers["Content-Type"] == "text/b"


def test_all_variants_of_the_url_are_purged(site, key):
    ways = [{}, {"Origin": "https://a.example"}, {"host": "img.example.com"},
            {"X_Forwarded_Proto": "http"}]
    key += "(1)"
    paths = [key, key + "?v=1", key.replace("(1)", "%281%29")]
    site.put(key, b"old")
    for path in paths:
        for way in ways:
            site.warm(path, b"old", **way)
    site.put(key, b"new")
    for path in paths:
        for way in ways:
            assert site.get(path, **way) == (b"new", "MISS"), (path, way)


def test_ranges_are_never_mixed(site, key):
    site.put(key, b"o" * 5000)
    site.warm(key, b"o" * 5000)
    site.put(key, b"n" * 7000)
    answer = site.edge.get(key, Range="bytes=100-199")
    assert answer.status_code in (200, 206)
    assert set(answer.content) == set(b"n")


def test_visitors_own_condition_is_answered(site, key):
    site.put(key, b"1")
    site.warm(key, b"1")
    etag = site.edge.get(key).headers["ETag"]
    assert site.edge.get(key, If_None_Match=etag).status_code == 304
    site.put(key, b"2")
    assert site.edge.get(key, If_None_Match=etag).status_code == 200


def test_visitors_do_not_see_cache_tags(site, key):
    site.put(key, b"1", cache_tag="secret-campaign")
    answer = site.edge.get(key)
    assert "Cache-Tag" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=0"


def test_what_must_not_be_kept_is_not(site, key):
    for control in ("no-store", "private"):
        site.put(key, b"1", cache_control=control)
        for _ in range(3):
            assert site.get(key) == (b"1", "BYPASS")


@pytest.mark.parametrize("store", ["file"], indirect=True)
def test_error_is_not_kept_by_the_edge(site, key):
    site.put(key, b"x" * 1000)
    files = [p for p in site.origin.files.glob("objects/**/*") if p.is_file()]
    newest = max(files, key=lambda p: p.stat().st_mtime_ns)
    good = newest.read_bytes()
    newest.write_bytes(b"damage")
    assert site.edge.get(key).status_code == 502
    newest.write_bytes(good)
    assert site.get(key)[0] == b"x" * 1000


# POST /-/purge

@pytest.fixture
def shelf(site, key):
    """Four warm objects; .purged() tells which of them are not any more."""
    paths = {"a": f"{key}/x/a", "b": f"{key}/x/b", "c": f"{key}/y/c",
             "d": f"{key}/xx"}
    for name, path in paths.items():
        tags = {"a": "red", "b": "blue,red", "c": "blue", "d": "green"}
        site.put(path, b"1", cache_tag=f"{key[1:-7]}-{tags[name]}".replace(
            ",", f",{key[1:-7]}-"))
        site.warm(path, b"1")

    class Shelf:
        tag = key[1:-7] + "-"
        prefix = f"www.example.com{key}"
        url = f"https://www.example.com{key}"

        @staticmethod
        def purged():
            return "".join(name for name, path in paths.items()
                           if site.get(path)[1] == "MISS")
    return Shelf


def test_purge_by_tag(site, shelf):
    site.purge(tags=[shelf.tag + "RED"])
    assert shelf.purged() == "ab"


def test_purge_by_url(site, shelf):
    site.purge(urls=[shelf.url + "/x/a", shelf.url + "/absent"])
    assert shelf.purged() == "a"


def test_purge_by_prefix(site, shelf):
    site.purge(prefixes=[shelf.prefix + "/x"])
    assert shelf.purged() == "ab"


def test_purge_by_host(site, shelf):
    site.purge(hosts=["img.example.com"])
    assert shelf.purged() == ""
    site.purge(hosts=["www.example.com"])
    assert shelf.purged() == "abcd"


def test_purge_of_everything(site, shelf):
    site.purge(everything=True)
    assert shelf.purged() == "abcd"


def test_purge_by_several_selectors(site, shelf):
    site.purge(tags=[shelf.tag + "green"], urls=[shelf.url + "/y/c"])
    assert shelf.purged() == "cd"


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_purge_makes_redis_forget_too(site, store, key):
    """What was changed behind nginx's back is seen after a purge."""
    site.put(key, b"old")
    site.warm(key, b"old")
    wait_until(lambda: site.origin.get(key).headers["Cache-Status"].endswith(
        "redis"))
    store.client.put_object(Bucket=store.name, Key=key[1:], Body=b"new")
    site.purge(urls=[f"https://www.example.com{key}"])
    assert site.get(key) == (b"new", "MISS")


# Other settings

def test_invalidated_object_is_revalidated(tmp_path):
    site = Site(tmp_path, "file", "content_purge_action invalidate;")
    try:
        site.put("/a", b"1")
        site.warm("/a", b"1")
        site.purge(tags=["none"])
        assert site.get("/a") == (b"1", "HIT")
        site.put("/a", b"2")
        # stale-while-revalidate: the next visitor may get the older one
        body, how = site.get("/a")
        assert (body, how) in ((b"1", "UPDATING"), (b"2", "EXPIRED"))
        wait_until(lambda: site.get("/a")[0] == b"2")
        # the same bytes: a 304 from the origin brings it back to life
        before = site.origin.counters()["node"]["not_modified"]
        site.warm("/a", b"2")
        site.purge(urls=["https://www.example.com/a"])
        site.get("/a")
        wait_until(lambda: site.get("/a") == (b"2", "HIT"))
        assert site.origin.counters()["node"]["not_modified"] > before
    finally:
        site.stop()


def test_purge_by_urls_reaches_the_edge(tmp_path):
    site = Site(tmp_path, "file",
                "content_purge_by urls https://www.example.com;")
    try:
        for path in ("/a", "/b%20c/%C3%A9"):
            site.put(path, b"1")
            site.warm(path, b"1")
            site.put(path, b"2")
            assert site.get(path) == (b"2", "MISS")
    finally:
        site.stop()


# A browser

PAGE = b"""<!doctype html><title>waiting</title>
<img id=i src="/picture.svg" onload="document.title = 'w' + i.naturalWidth"
     onerror="document.title = 'broken'">"""


def picture(width):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="10"><rect width="{width}" height="10"/></svg>').encode()


def test_browser_shows_the_new_picture(tmp_path):
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("there is no chromium")

    def title():
        """What the page says once it is loaded; the browser has a cache."""
        shown = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}/p",
             "--virtual-time-budget=5000", "--dump-dom",
             "--disable-background-networking", "--no-first-run",
             "--host-resolver-rules=MAP www.example.com 127.0.0.1",
             f"http://www.example.com:{port}/page.html"],
            capture_output=True, text=True, check=True, timeout=90).stdout
        return shown.partition("<title>")[2].partition("</title>")[0]

    site = Site(tmp_path, "file")
    try:
        port = site.edge.address.rpartition(":")[2]
        site.put("/page.html", PAGE)
        site.put("/picture.svg", picture(123))
        assert title() == "w123"
        assert title() == "w123"
        site.put("/picture.svg", picture(77))
        assert title() == "w77"
        site.put("/picture.svg", b"nothing to see")
        assert title() == "broken"
    finally:
        site.stop()
