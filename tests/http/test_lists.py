"""Lists of all keys, and of those below a prefix: in the order of bytes, in
pages that join without gap or overlap, on both stores.
"""

import concurrent.futures
import email.utils
import urllib.parse

import pytest

from harness import EDITOR, Nginx, path_of, problem
from s3_fault_proxy import change

NAMES = ["!", "-", ".hidden", "0", "A", "B/", "B/1", "Z", "a", "a!", "a-b",
         "a.b", "a/", "a//", "a/b", "a/b/c", "a0", "aa", "b", "b%20", "z",
         "~", "\u00e9", "\u0416", "\uc0ac", "\ufffd", "\U0001f600"]


@pytest.fixture(scope="module")
def shelf(origin):
    """A prefix with one object for each of NAMES."""
    prefix = "shelf/"
    for name in NAMES:
        origin.put(path_of(prefix + name), name.encode())
    origin.put("/shelf", b"before")
    origin.put("/shelf0", b"behind")
    return prefix


def listed(origin, **query):
    return origin.list("?" + urllib.parse.urlencode(
        query, quote_via=urllib.parse.quote))


def keys(page):
    return [o["key"] for o in page["objects"]]


def in_order(names, prefix="shelf/"):
    return [prefix + n for n in sorted(names, key=str.encode)]


def test_list_is_in_the_order_of_bytes(origin, shelf):
    page = listed(origin, prefix=shelf)
    assert keys(page) == in_order(NAMES)
    assert page["next"] is None
    assert page["prefix"] == shelf


def test_list_tells_size_etag_and_date(origin, shelf):
    entry = listed(origin, prefix="shelf/aa")["objects"][0]
    answer = origin.get("/shelf/aa")
    assert entry["size"] == 2
    assert entry["etag"] == answer.headers["ETag"]
    modified = email.utils.parsedate_to_datetime(
        answer.headers["Last-Modified"])
    assert entry["last_modified"] == modified.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("limit", [1, 2, 5, len(NAMES) - 1, len(NAMES), 1000])
def test_pages_of_a_list_join_without_gap_or_overlap(origin, shelf, limit):
    found, after, pages = [], "", 0
    while True:
        page = listed(origin, prefix=shelf, limit=limit, after=after)
        found += keys(page)
        pages += 1
        if page["next"] is None:
            break
        assert len(page["objects"]) == limit
        assert page["next"] == found[-1]
        after = page["next"]
    assert found == in_order(NAMES)
    assert pages == -(-len(NAMES) // limit)


@pytest.mark.parametrize("prefix", ["shelf/a", "shelf/a/", "shelf/B/",
                                    "shelf/\u00e9", "shelf/none", "shel"])
def test_list_keeps_to_its_prefix(origin, shelf, prefix):
    everything = in_order(NAMES) + ["shelf", "shelf0"]
    expected = [k for k in everything if k.startswith(prefix)]
    found = keys(listed(origin, prefix=prefix))
    assert found == sorted(expected, key=str.encode)


@pytest.mark.parametrize("after", [
    "shelf/", "shelf/a", "shelf/a/", "shelf/a/b/zzz", "shelf/a0",
    "shelf/none", "shelf/\ufffd", "a", "shelf/~", "shelg"])
def test_list_begins_behind_after(origin, shelf, after):
    expected = [k for k in in_order(NAMES) if k.encode() > after.encode()]
    assert keys(listed(origin, prefix=shelf, after=after)) == expected


def test_list_has_more_than_a_thousand_in_pages(tmp_path, place):
    with Nginx(tmp_path / "n", place) as origin:
        names = [f"many/{i:04}" for i in range(1005)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: origin.put("/" + n, b""), names))
        page = origin.list()
        assert keys(page) == names[:1000] and page["next"] == names[999]
        assert keys(listed(origin, after=page["next"])) == names[1000:]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x",
                                   "limit=-1", "prefix=%FF", "prefix=%00",
                                   "after=%zz"])
def test_bad_list_is_refused(origin, query):
    problem(origin.get(f"/-/list?{query}", token=EDITOR), 400)


# What others have put into the bucket under names that are no keys

@pytest.fixture(scope="module")
def proxied(tmp_path_factory, bucket, shared_proxy):
    for name in ["1", "2/bad/x", "3", "4/bad/x", "4/bad/y", "5/a/x", "6"]:
        bucket.client.put_object(Bucket=bucket.name, Key="strange/" + name)
    with Nginx(tmp_path_factory.mktemp("strange"),
               bucket.through(shared_proxy.endpoint)) as origin:
        yield origin


@pytest.fixture(params=[b"%FF", b"%C3", b"%01", b"%7F", b"%2E"])
def strange(request, proxied, proxy):
    """S3, which says so instead of "bad", in as many bytes."""
    proxy.fault(change(lambda head, body: (
        head, body.replace(b"bad", request.param))),
        times=10**6, method="GET", query="list-type")
    return proxied


def test_names_that_are_no_keys_are_counted_and_not_listed(strange):
    page = listed(strange, prefix="strange/")
    assert (page["omitted"], page["next"]) == (3, None)
    assert keys(page) == in_order(["1", "3", "5/a/x", "6"], "strange/")


def test_prefixes_that_are_none_are_counted_and_not_listed(strange):
    page = listed(strange, prefix="strange/4/", delimiter="/")
    assert (page["prefixes"], page["omitted"]) == ([], 1)
    page = listed(strange, prefix="strange/5/", delimiter="/")
    assert page["prefixes"] == ["strange/5/a/"] and "omitted" not in page


@pytest.mark.parametrize("limit", [3, 4, 7])
def test_pages_go_on_behind_names_that_are_no_keys(strange, limit):
    found, after = [], ""
    while after is not None:
        page = listed(strange, prefix="strange/", limit=limit, after=after)
        found += keys(page)
        after = page["next"]
    assert found == in_order(["1", "3", "5/a/x", "6"], "strange/")


def test_page_without_a_key_is_502_and_names_the_limit(strange):
    problem(strange.get("/-/list?prefix=strange/&after=strange/3&limit=2",
                        token=EDITOR), 502, "limit")
