"""Lists with a delimiter: what is behind it is one prefix, and pages join
across prefixes without gap or overlap, on both stores.
"""

import re
import urllib.parse

import pytest

from harness import EDITOR, Nginx, problem
from s3_fault_proxy import answer

NAMES = ["a", "a!", "a/", "a//", "a//b", "a/b", "a/b/c", "a/b/d", "a/z", "a0",
         "b/1", "b/2", "b/3/4", "c", "d", "e/f/g", "é/ü", "é0", "z-=y", "z-=z",
         "~/😀", "😀/😀/1", "😀/😀/2", "y/.h/x"]


@pytest.fixture(scope="module")
def shelf(origin):
    for name in NAMES:
        answer = origin.put("/" + urllib.parse.quote(name, safe=""), b"x")
        assert answer.status == 201
    yield origin
    for name in NAMES:
        origin.delete("/" + urllib.parse.quote(name, safe=""))


def page_of(origin, **query):
    return origin.list("?" + urllib.parse.urlencode(
        query, quote_via=urllib.parse.quote, safe=""))


def model(prefix, delimiter, after=""):
    """What there is to be listed, in order: keys and common prefixes."""
    found = set()
    for name in NAMES:
        if name.startswith(prefix):
            head, cut, _ = name[len(prefix):].partition(delimiter)
            found.add(prefix + head + cut if cut else name)
    return sorted((f for f in found if f.encode() > after.encode()),
                  key=str.encode)


def shown(page):
    keys = [o["key"] for o in page["objects"]]
    for names in (keys, page["prefixes"]):
        assert names == sorted(names, key=str.encode)
    return sorted(keys + page["prefixes"], key=str.encode)


PREFIXES = ["", "a", "a/", "a/b", "a/b/", "b/", "é", "😀/", "none", "z", "y/"]


@pytest.mark.parametrize("delimiter", ["/", "-=", "é", "b"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_keys_behind_the_delimiter_are_one_prefix(shelf, prefix, delimiter):
    page = page_of(shelf, prefix=prefix, delimiter=delimiter)
    assert shown(page) == model(prefix, delimiter)
    assert page["next"] is None
    assert all(p.endswith(delimiter) for p in page["prefixes"])
    assert not set(page["prefixes"]) & {o["key"] for o in page["objects"]}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "😀/"])
def test_pages_join_across_prefixes(shelf, prefix, limit):
    found, after = [], ""
    expected = model(prefix, "/")
    while after is not None:
        page = page_of(shelf, prefix=prefix, delimiter="/", limit=limit,
                       after=after)
        found += shown(page)
        after = page["next"]
        if after is not None:
            assert len(shown(page)) == limit
            assert after == found[-1]
            assert len(found) < len(expected)
    assert found == expected


@pytest.mark.parametrize("after", ["a", "a!", "a/", "a/b", "a/b/c", "b/1",
                                   "b/2", "b/~", "e/", "a//", "é/", "zz", "~"])
def test_a_prefix_is_shown_once(shelf, after):
    """Also where "after" lies inside of it."""
    page = page_of(shelf, delimiter="/", after=after, limit=1000)
    assert shown(page) == model("", "/", after)


def test_prefixes_are_told_with_a_delimiter_only(shelf):
    assert "prefixes" not in page_of(shelf)
    assert page_of(shelf, prefix="none", delimiter="/") == {
        "prefix": "none", "objects": [], "prefixes": [], "next": None}


def test_a_prefix_goes_with_its_last_key(shelf):
    shelf.put("/gone/1", b"x")
    assert "gone/" in page_of(shelf, delimiter="/")["prefixes"]
    shelf.delete("/gone/1")
    assert "gone/" not in page_of(shelf, delimiter="/")["prefixes"]


@pytest.mark.parametrize("query", ["delimiter=%FF", "delimiter=%00",
                                   "delimiter=" + "x" * 65])
def test_bad_delimiter_is_refused(shelf, query):
    problem(shelf.get(f"/-/list?{query}", token=EDITOR), 400, "delimiter")


def test_what_is_reserved_is_not_listed(bucket, workdir):
    """Somebody else's, or what a probe has left."""
    for key in ["-/a", "-/b/c", "-a", "-b"]:
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"x")
    with Nginx(workdir, bucket) as origin:
        assert shown(page_of(origin, prefix="-", delimiter="/")) == [
            "-a", "-b"]
        page, keys = page_of(origin, prefix="-", limit=1), []
        while True:
            keys += [o["key"] for o in page["objects"]]
            if page["next"] is None:
                break
            page = page_of(origin, prefix="-", limit=1, after=page["next"])
        assert keys == ["-a", "-b"]


def test_prefix_that_s3_says_again_takes_no_place(bucket, proxy, tmp_path):
    """AWS does so where the page begins amid what is behind it."""
    def act(exchange):
        most = int(re.search(r"max-keys=(\d+)", exchange.request.path)[1])
        answer(200, b"<ListBucketResult><IsTruncated>true</IsTruncated>"
               + b"".join(b"<CommonPrefixes><Prefix>%b</Prefix>"
                          b"</CommonPrefixes>" % prefix for prefix in
                          [b"a/", b"b/", b"c/"][:most])
               + b"</ListBucketResult>")(exchange)

    proxy.fault(act, method="GET", query="list-type")
    with Nginx(tmp_path / "n", bucket.through(proxy.endpoint)) as origin:
        page = page_of(origin, delimiter="/", after="a/", limit=1)
        assert (page["prefixes"], page["next"]) == (["b/"], "b/")
