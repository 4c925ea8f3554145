"""One answer, from whatever tier: each row asks all of them (tiers.py), and
status, headers and bytes have to be the same.

The one difference there is: several ranges come as parts from bytes at hand,
and as the whole object from S3, as RFC 9110, 14.2 leaves free.
"""

import gzip

import pytest

from tiers import LARGE, Tiers

TEXT = b"A line of text.\n" * (LARGE // 16)
SMALL = b"small"
PACKED = gzip.compress(TEXT, mtime=0)
PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
BIG = "99999999999999999999"            # beyond 2^64
FROM_S3 = ["s3", "fill", "known"]

LOCATIONS = """
    location /gzip/ {
        CONTENT gzip on; gzip_types *; gzip_min_length 1; gzip_vary on;
    }
    location /gunzip/ { CONTENT gunzip on; gzip_vary on; }
    location /ssi/ { CONTENT ssi on; ssi_types *; }
    location /sub/ {
        CONTENT sub_filter line LINES; sub_filter_types *; sub_filter_once off;
    }
    location /add/ {
        CONTENT add_before_body /small; addition_types *;
    }
    location /charset/ { CONTENT charset utf-8; charset_types *; }
    location /header/ { CONTENT add_header X-A b; expires 1h; }
    location /none/ { CONTENT max_ranges 0; }
    location /one/ { CONTENT max_ranges 1; }
    location /asks/ { CONTENT auth_request /small; }
    location /page/ { CONTENT error_page 404 412 416 =200 /large; }
    location /named/ { CONTENT error_page 412 416 = @other; }
    location /error/ { CONTENT error_page 412 416 /large; }
    location @other { CONTENT rewrite ^ /large break; }
"""


@pytest.fixture(scope="module")
def tiers(tmp_path_factory, s3):
    tiers = Tiers(tmp_path_factory.mktemp("tiers"), s3, LOCATIONS)
    text = {"content_type": "text/plain"}
    tiers.put("/small", SMALL, **text)
    tiers.put("/large", TEXT, **text, x_content_meta_a="1",
              content_language="de", cache_control="max-age=4")
    tiers.put("/empty", b"", **text)
    for place in ("gzip", "ssi", "sub", "add", "charset", "header", "none",
                  "one", "asks", "page", "named", "error"):
        tiers.put(f"/{place}/a", TEXT, **text)
    for place in ("gzip", "gunzip"):
        tiers.put(f"/{place}/z", PACKED, **text, content_encoding="gzip")
    tiers.put("/named/shorter", SMALL, **text)
    tiers.away()
    yield tiers
    tiers.stop()


# Ranges

RANGES = [
    ("bytes=0-9", 206, (0, 9)), ("bytes=100-", 206, (100, LARGE - 1)),
    ("bytes=-10", 206, (LARGE - 10, LARGE - 1)),
    ("bytes=0-", 206, (0, LARGE - 1)), ("Bytes=0-9", 206, (0, 9)),
    (f"bytes=5-{BIG}", 206, (5, LARGE - 1)),
    (f"bytes=-{BIG}", 206, (0, LARGE - 1)),
    ("bytes=,0-9", 206, (0, 9)), ("bytes=0-9, ,", 206, (0, 9)),
    ("bytes= 0-9", 206, (0, 9)), ("bytes=007-9", 206, (7, 9)),
    ("bytes=0-9,999999-", 206, (0, 9)), ("bytes=-0,\t0-1", 206, (0, 1)),
    (f"bytes={BIG}-,3-4", 206, (3, 4)),
    ("bytes=999999-", 416, None), ("bytes=-0", 416, None),
    (f"bytes={BIG}-", 416, None), (f"bytes={BIG}-{BIG}0", 416, None),
    ("bytes=999999-,-0", 416, None), (f"bytes={LARGE}-", 416, None),
    ("bytes=1-0", 200, None), ("bytes=0-9,1-0", 200, None),
    ("bytes=1-0,999999-", 200, None), ("bytes=-", 200, None),
    ("bytes=", 200, None), ("bytes", 200, None), ("bytes=a-b", 200, None),
    ("bytes=0-5 x", 200, None), ("bytes=0 - 9", 200, None),
    ("bytes = 0-9", 200, None), ("bytes=0x1-5", 200, None),
    ("bytes=0-9,lines=1-2", 200, None), ("lines=0-9", 200, None),
    ("bytes=0-,0-", 200, None), ("", 200, None),
]


@pytest.mark.parametrize("value, status, part", RANGES,
                         ids=[row[0] for row in RANGES])
def test_range(tiers, value, status, part):
    told, headers, body = tiers.the_answer("GET", "/large", range=value)
    assert told == status
    headers = dict(headers)
    if status == 206:
        first, last = part
        assert headers["content-range"] == f"bytes {first}-{last}/{LARGE}"
        assert body == TEXT[first:last + 1]
    elif status == 416:
        assert headers["content-range"] == f"bytes */{LARGE}"
        assert headers["content-type"] == "application/problem+json"
        assert f"has {LARGE} bytes".encode() in body
    else:
        assert body == TEXT and headers["accept-ranges"] == "bytes"

    told, headers, body = tiers.the_answer("HEAD", "/large", range=value)
    assert told == 200 and dict(headers)["content-length"] == str(LARGE)


@pytest.mark.parametrize("value", [
    "bytes=0-9,20-29", "bytes=0-9,\t20-29,,", "bytes=-1,0-0",
    f"bytes=0-9,20-{BIG},{BIG}-"])
def test_several_ranges(tiers, value):
    whole, parts = sorted(tiers.ask_all("GET", "/large", range=value),
                          key=lambda answer: answer[0][0])
    assert whole[0][0] == 200 and parts[0][0] == 206
    assert whole[1] == FROM_S3
    assert whole[0][2] == TEXT
    assert parts[0][2].count(b"Content-Range: bytes ") == 2


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-9", "bytes=-1",
                                   "bytes=-0", "bytes=5-", "bytes=1-0"])
def test_empty_object_has_no_ranges(tiers, value):
    for method in ("GET", "HEAD"):
        status, headers, body = tiers.the_answer(method, "/empty",
                                           range=value)
        assert (status, body) == (200, b"")
        assert dict(headers)["content-length"] == "0"


@pytest.mark.parametrize("value, status", [
    ("{etag}", 206), ("{etag} ", 206), ("{date}", 206), ("W/{etag}", 200),
    ('"x"', 200), (PAST, 200), (FUTURE, 200), ("x", 200), ("*", 200),
    ("", 200), ('"', 200), ('{etag}, "b"', 200)])
def test_if_range(tiers, value, status):
    told, _, body = tiers.the_answer("GET", "/large", range="bytes=0-9",
                               if_range=value)
    assert told == status and body == (TEXT if status == 200 else TEXT[:10])
    assert tiers.the_answer("GET", "/large", range="bytes=999999-",
                      if_range=value)[0] == (416 if status == 206 else 200)


# Conditions

CONDITIONS = [
    ({"if_none_match": "{etag}"}, 304), ({"if_none_match": "W/{etag}"}, 304),
    ({"if_none_match": '"x", {etag}'}, 304), ({"if_none_match": "*"}, 304),
    ({"if_none_match": '"x"'}, 200), ({"if_none_match": ""}, 200),
    ({"if_none_match": '"x", *'}, 200), ({"if_none_match": "{etag}x"}, 200),
    ({"if_none_match": '"a,{etag}"'}, 200), ({"if_none_match": "x"}, 200),
    ({"if_match": "{etag}"}, 200), ({"if_match": "*"}, 200),
    ({"if_match": '"x", {etag}'}, 200), ({"if_match": "W/{etag}"}, 412),
    ({"if_match": '"x"'}, 412), ({"if_match": ""}, 412),
    ({"if_modified_since": "{date}"}, 304),
    ({"if_modified_since": FUTURE}, 304), ({"if_modified_since": PAST}, 200),
    ({"if_modified_since": "x"}, 200), ({"if_modified_since": ""}, 200),
    ({"if_modified_since": "Saturday, 01-Jan-00 00:00:00 GMT"}, 200),
    ({"if_modified_since": "Fri Jan  1 00:00:00 2100"}, 304),
    ({"if_modified_since": "{date}", "if_none_match": '"x"'}, 200),
    ({"if_unmodified_since": "{date}"}, 200),
    ({"if_unmodified_since": PAST}, 412), ({"if_unmodified_since": "x"}, 200),
    ({"if_unmodified_since": PAST, "if_match": "*"}, 200),
    ({"if_range": "{etag}"}, 200),
    ({"want_repr_digest": "sha-256=1"}, 200),
    ({"want_content_digest": "sha-256=1"}, 200),
    ({"want_content_digest": "sha-256=1", "range": "bytes=1-0"}, 200),
    ({"cache_control": "no-cache"}, 200), ({"pragma": "no-cache"}, 200),
    ({"cache_control": "only-if-cached"}, 200),
    ({"cache_control": "no-store, max-age=0"}, 200),
]


@pytest.mark.parametrize("headers, status", CONDITIONS,
                         ids=[str(row[0]) for row in CONDITIONS])
def test_condition(tiers, headers, status):
    for method in ("GET", "HEAD"):
        told = tiers.the_answer(method, "/large", **headers)
        assert told[0] == status
    if "range" not in headers:
        told = tiers.the_answer("GET", "/large", range="bytes=0-9", **headers)
        assert told[0] == (206 if status == 200 else status)


# Filters

RANGE, BEYOND = {"range": "bytes=0-9"}, {"range": "bytes=999999-"}
ZIP = {"accept_encoding": "gzip"}

FILTERED = [
    # path, headers, status, body (None: not looked at)
    ("/ssi/a", {}, 200, TEXT), ("/ssi/a", RANGE, 200, TEXT),
    ("/ssi/a", BEYOND, 200, TEXT),
    ("/ssi/a", {"range": "bytes=0-9,20-29"}, 200, TEXT),
    ("/sub/a", {}, 200, TEXT.replace(b"line", b"LINES")),
    ("/sub/a", RANGE, 200, TEXT.replace(b"line", b"LINES")),
    ("/sub/a", {"range": "bytes=-10", "if_range": "{etag}"}, 200,
     TEXT.replace(b"line", b"LINES")),
    ("/sub/a", BEYOND, 200, TEXT.replace(b"line", b"LINES")),
    ("/add/a", RANGE, 200, SMALL + TEXT),
    ("/add/a", {"if_none_match": "{etag}"}, 304, b""),
    ("/gzip/a", ZIP, 200, None), ("/gzip/a", {**ZIP, **RANGE}, 200, None),
    ("/gzip/a", {**ZIP, **BEYOND}, 200, None),
    ("/gzip/a", RANGE, 206, TEXT[:10]), ("/gzip/a", BEYOND, 416, None),
    ("/gzip/a", {**ZIP, "want_repr_digest": "sha-256=1"}, 200, TEXT),
    ("/gzip/a", {**ZIP, **RANGE, "want_repr_digest": "sha-256=1"}, 206,
     TEXT[:10]),
    ("/gzip/z", {**ZIP, **RANGE}, 206, PACKED[:10]),
    ("/gunzip/z", {}, 200, TEXT), ("/gunzip/z", RANGE, 200, TEXT),
    ("/gunzip/z", ZIP, 200, TEXT),
    ("/gunzip/z", {**ZIP, **RANGE}, 206, PACKED[:10]),
    ("/gunzip/z", {**ZIP, **BEYOND}, 416, None),
    ("/charset/a", RANGE, 206, TEXT[:10]),
    ("/header/a", RANGE, 206, TEXT[:10]), ("/header/a", BEYOND, 416, None),
    ("/none/a", {}, 200, TEXT), ("/none/a", RANGE, 200, TEXT),
    ("/none/a", BEYOND, 200, TEXT),
    ("/one/a", RANGE, 206, TEXT[:10]), ("/one/a", BEYOND, 416, None),
    ("/one/a", {"range": "bytes=0-9,20-29"}, 200, TEXT),
    ("/asks/a", RANGE, 206, TEXT[:10]),
    ("/page/a", {"if_match": '"x"'}, 200, TEXT),
    ("/page/a", {"if_match": '"x"', **RANGE}, 200, TEXT),
    ("/page/a", BEYOND, 200, TEXT),
    ("/named/a", {"if_match": '"x"'}, 412, None),
    ("/named/a", BEYOND, 416, None), ("/named/shorter", BEYOND, 416, None),
    ("/named/shorter", {"range": "bytes=5-8"}, 206, TEXT[5:9]),
    ("/error/a", {"if_match": '"x"'}, 412, TEXT),
    ("/error/a", BEYOND, 416, TEXT),
    ("/error/a", {**RANGE, "if_match": '"x"'}, 412, TEXT),
]


@pytest.mark.parametrize("path, headers, status, body", FILTERED,
                         ids=[f"{row[0]} {row[1]}" for row in FILTERED])
def test_filtered(tiers, path, headers, status, body):
    told = tiers.the_answer("GET", path, **headers)
    assert told[0] == status
    assert body is None or told[2] == body
    tiers.the_answer("HEAD", path, **headers)


def test_header_filters_are_shown_a_range_of_s3_twice_and_heard_once(tiers):
    headers = tiers.the_answer("GET", "/header/a", **RANGE)[1]
    assert [value for name, value in headers if name == "x-a"] == ["b"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path, headers", [
    ("/large", {}), ("/large", RANGE), ("/large", BEYOND),
    ("/large", {"range": "bytes=1-0"}), ("/large", {"if_match": '"x"'}),
    ("/large", {"if_none_match": "{etag}"}), ("/empty", {}),
    ("/sub/a", RANGE), ("/gzip/a", {**ZIP, **RANGE})])
def test_http2(tiers, method, path, headers):
    """As by HTTP/1.1, but for what only that has."""
    status, items, body = tiers.the_answer(method, path, http2=True,
                                     **headers)
    told, told_items, told_body = tiers.the_answer(method, path, **headers)
    assert (status, body) == (told, told_body)
    assert items == [item for item in told_items
                     if item[0] != "transfer-encoding"]


def test_what_is_to_be_a_fill_is_one(tiers):
    def fills():
        return tiers.origins["fill"].counters()["node"]["fills"]
    before = fills()
    tiers.ask("fill", "GET", "/large")
    assert fills() == before + 1
