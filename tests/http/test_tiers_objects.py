"""One answer from whatever tier (tiers.py), for objects of each size at which
something changes, with all headers that can be kept, for objects that are not
there, and for those that an application has sent the request for.
"""

import pytest

from harness import data
from tiers import LARGE, Tiers

MIB = 1 << 20
SIZES = [1, 4095, 4096, 4097, 32768, 65536, 65537, LARGE - 4096, LARGE - 4095,
         MIB]
PART = 5 * MIB                          # of an upload to S3

# S3 has 2 KB for metadata and tags together
TAGS = ",".join(["t", *(f"tag-{i}" for i in range(40))])
KEPT = {
    "content_type": "text/plain; charset=utf-8", "content_encoding": "br",
    "content_language": "de, en", "content_disposition":
        'attachment; filename="a.txt"; filename*=UTF-8\'\'%e2%82%ac.txt',
    "cache_control": 'max-age=4, stale-while-revalidate=9, no-cache="a, b"',
    **{f"x_content_meta_{i}": "m" * 95 for i in range(15)}}

LOCATIONS = """
    location /app/ { proxy_pass http://unix:DIR/app:/; }
"""
APPLICATION = """
    server {
        listen unix:DIR/app;
        default_type "";
        add_header X-Accel-Redirect /kept;
        location = /silent { return 200; }
        location = /says {
            default_type image/png;
            add_header X-Accel-Redirect /kept;
            add_header Content-Disposition inline;
            add_header Cache-Control private;
            return 200;
        }
        location = /expires {
            add_header X-Accel-Redirect /small;
            add_header Expires "Fri, 01 Jan 2100 00:00:00 GMT";
            return 200;
        }
        location = /absent {
            add_header X-Accel-Redirect /absent;
            return 200;
        }
    }
"""


@pytest.fixture(scope="module")
def tiers(tmp_path_factory, s3):
    tiers = Tiers(tmp_path_factory.mktemp("tiers"), s3, LOCATIONS,
                  APPLICATION)
    for size in SIZES:
        tiers.put(f"/{size}", data(size))
    tiers.put("/small", b"small", content_type="text/plain")
    tiers.put("/kept", b"kept" * 9, tags=TAGS, **KEPT)
    tiers.put("/none", b"", tags=TAGS, **KEPT)
    tiers.away()
    yield tiers
    tiers.stop()


@pytest.mark.parametrize("size", SIZES)
def test_size(tiers, size):
    body = data(size)
    for headers, status, part in [
            ({}, 200, body), ({"range": "bytes=0-"}, 206, body),
            ({"range": "bytes=-1"}, 206, body[-1:]),
            ({"range": f"bytes={size - 1}-{size}"}, 206, body[-1:]),
            ({"range": f"bytes={size // 2}-"}, 206, body[size // 2:]),
            ({"range": f"bytes={size}-"}, 416, None)]:
        told, items, sent = tiers.the_answer("GET", f"/{size}", **headers)
        assert told == status
        assert part is None or sent == part
        assert dict(items)["content-length"] == str(len(sent))


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1])
def test_size_of_a_part(tiers, size):
    """Too large for the caches, which know what it is."""
    body = data(size)
    for name in ("file", "s3"):
        assert tiers.origins[name].put("/part", body).status == 201
    for name in ("file", "s3", "memory", "redis"):
        origin = tiers.origins[name]
        for _ in range(2):
            assert origin.get("/part").body == body
            answer = origin.get("/part", range=f"bytes={size - 1}-")
            assert (answer.status, answer.body) == (206, body[-1:])
            answer = origin.get("/part", range=f"bytes={size}-")
            assert answer.headers["Content-Range"] == f"bytes */{size}"
            assert (origin.head("/part").headers["Content-Length"]
                    == str(size))
    for name in ("file", "s3"):
        assert tiers.origins[name].delete("/part").status == 204
    for name in ("memory", "redis"):
        tiers.origins[name].delete("/part")


@pytest.mark.parametrize("path", ["/kept", "/none"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers, status", [
    ({}, 200), ({"range": "bytes=1-2"}, 206), ({"if_none_match": "*"}, 304),
    ({"if_match": '"x"'}, 412), ({"range": "bytes=999-"}, 416),
    ({"want_repr_digest": "sha-256=1"}, 200)])
def test_all_that_is_kept(tiers, path, method, headers, status):
    told, items, _ = tiers.the_answer(method, path, **headers)
    if method == "HEAD" or path == "/none":
        status = 200 if status in (206, 416) else status
    assert told == status
    names = [name for name, _ in items]
    assert len(names) == len(set(names))
    items = dict(items)
    if status >= 400:
        assert items["cache-control"] == "no-store"
        assert not {"etag", "cache-tag", "content-language"} & set(items)
        return
    for name, value in KEPT.items():
        if status != 304 or name != "content_type":
            assert items[name.replace("_", "-")] == value
    assert items["cache-tag"].partition(",")[2] == TAGS
    assert "age" not in items           # we are the origin
    assert ("repr-digest" in items) == ("want_repr_digest" in headers)


# What is not there

@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [
    {}, {"if_none_match": "*"}, {"if_match": "*"}, {"range": "bytes=0-1"},
    {"if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    {"range": "bytes=0-1", "if_range": '"x"'},
    {"want_repr_digest": "sha-256=1"}, {"accept_encoding": "gzip"}])
def test_absent(tiers, method, headers):
    """Twice: the caches remember it."""
    for _ in range(2):
        answers = tiers.ask_all(method, "/absent", **headers)
        there = [answer for answer, names in answers
                 if not names[0].startswith("stale")]
        assert len(there) == 1, answers
        assert there[0][0] == 404
        assert dict(there[0][1])["cache-control"] == "no-store"


# An application that leaves the answer to us

@pytest.mark.parametrize("headers, status", [
    ({}, 200), ({"range": "bytes=1-2"}, 206), ({"if_none_match": "*"}, 304)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_application(tiers, method, headers, status):
    status = 200 if method == "HEAD" and status == 206 else status

    told, items, body = tiers.the_answer(method, "/app/silent", **headers)
    assert told == status
    assert (told, items, body) == tiers.the_answer(method, "/kept",
                                             **headers)

    told, given, body = tiers.the_answer(method, "/app/says", **headers)
    assert told == status
    ours = ("content-type", "content-disposition", "cache-control",
            "cdn-cache-control")
    said = [("cache-control", "private"), ("content-disposition", "inline")]
    if status != 304:
        said.append(("content-type", "image/png"))
    assert [item for item in given if item[0] in ours] == said
    assert ([item for item in given if item[0] not in ours]
            == [item for item in items if item[0] not in ours])

    told, items, body = tiers.the_answer(method, "/app/expires", **headers)
    assert told == status
    assert not {"cache-control", "cdn-cache-control"} & set(dict(items))
