"""Keys: any that is valid can be written, read, listed, copied, moved and
deleted on both stores, and is the same key to another client; two spellings
of one URL are one object, in storage and in every cache.
"""

import json
import os
import subprocess
import urllib.parse

import pytest

from harness import EDITOR, ROOT, Nginx, path_of, problem, wait_until

VECTORS = json.loads((ROOT / "tests/unit/vectors/keys.json").read_text())
VALID = [v for v in VECTORS if v["key"] and not v["key"].startswith("-/")]
INVALID = [v for v in VECTORS if not v["key"] and v["path"][:1] == "/"
           and v["path"] != "/"]

# what is spelled in several ways, and how
SPELLINGS = {v["key"]: sorted({w["path"] for w in VALID
                               if w["key"] == v["key"]}
                              | {"/" + v["encoded"], path_of(v["key"])})
             for v in VALID}


# From PUT to DELETE

each_vector = pytest.mark.parametrize("vector", VALID,
                                      ids=lambda v: v["name"])


@pytest.fixture
def written(origin, vector):
    """The vector's object, with its key as the body."""
    origin.delete(vector["path"])       # of another spelling
    put = origin.put(vector["path"], vector["key"].encode(),
                     content_type="text/x-key")
    assert put.status == 201
    assert put.headers["Location"] == "/" + vector["encoded"]
    yield vector["key"]
    origin.delete(vector["path"])


def reads(origin, path, name):
    answer = origin.get(path)
    assert (answer.status, answer.body) == (200, name.encode())
    assert answer.headers["Content-Type"] == "text/x-key"
    return answer


def listed(origin, store, name, **more):
    # RGW repeats the prefix unencoded, and \uffff is not allowed in XML.
    prefix = name if store == "file" else name.partition("\uffff")[0]
    return origin.list("?" + urllib.parse.urlencode(
        {"prefix": prefix, **more}, safe="", quote_via=urllib.parse.quote))


def is_listed(origin, store, name):
    return name in [o["key"]
                    for o in listed(origin, store, name)["objects"]]


def transfer(origin, method, source, target):
    answer = origin.request(method, source, token=EDITOR, destination=target)
    assert answer.status in (201, 204), answer
    return answer


@each_vector
def test_key_is_read_and_listed(origin, store, vector, written):
    for spelling in SPELLINGS[written]:
        answer = reads(origin, spelling, written)
        assert answer.headers["Cache-Tag"] == vector["tag"]
    assert is_listed(origin, store, written)


@each_vector
def test_key_is_found_behind_a_delimiter(origin, store, written):
    head, cut, _ = written.partition("/")
    if not cut:
        assert is_listed(origin, store, written)
        return
    page = origin.list("?" + urllib.parse.urlencode(
        {"prefix": head, "delimiter": "/"}, safe="",
        quote_via=urllib.parse.quote))
    assert head + cut in page["prefixes"]


@each_vector
def test_key_is_copied(origin, vector, written, key):
    """To another and from another, by any spelling of both."""
    path = vector["path"]
    transfer(origin, "COPY", path, key)
    reads(origin, key, written)
    for spelling in SPELLINGS[written]:
        origin.delete(path)
        answer = transfer(origin, "COPY", key, spelling)
        assert answer.headers["Location"] == "/" + vector["encoded"]
        reads(origin, path, written)


@each_vector
def test_key_is_moved(origin, store, vector, written, key):
    path = vector["path"]
    transfer(origin, "MOVE", path, key)
    problem(origin.get(path), 404)
    assert not is_listed(origin, store, written)
    transfer(origin, "MOVE", key, "http://origin.test" + path)
    problem(origin.get(key), 404)
    reads(origin, path, written)
    assert is_listed(origin, store, written)


@each_vector
def test_key_is_deleted(origin, store, vector, written):
    assert origin.delete("/" + vector["encoded"]).status == 204
    for spelling in SPELLINGS[written]:
        problem(origin.get(spelling), 404)
    assert not is_listed(origin, store, written)


def test_all_keys_are_deleted_at_once(origin, store):
    names = list(SPELLINGS)
    for name in names:
        origin.put(path_of(name), name.encode())
    answer = origin.post("/-/delete", {"keys": names})
    assert answer.status == 200
    assert answer.json()["deleted"] == names
    for name in names:
        problem(origin.get(path_of(name)), 404)
        assert not is_listed(origin, store, name)


# To other clients

@pytest.fixture(scope="module")
def s3_origin(bucket, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("s3-origin"), bucket) as nginx:
        yield nginx


# One process: to start it for each key takes a second.
AWSCLI = """
import json, sys
from awscli.clidriver import create_clidriver
driver = create_clidriver()
for arguments in json.load(sys.stdin):
    if driver.main(arguments) != 0:
        sys.exit("failed: %r" % arguments)
"""


def awscli(s3, commands):
    options = ["--endpoint-url", s3.endpoint, "--no-cli-pager"]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", AWSCLI], timeout=120, text=True,
        input=json.dumps([[*options, *command] for command in commands]),
        capture_output=True, check=False,
        env={**os.environ, "AWS_ACCESS_KEY_ID": s3.access_key,
             "AWS_SECRET_ACCESS_KEY": s3.secret_key,
             "AWS_DEFAULT_REGION": "us-east-1"})
    assert done.returncode == 0, done.stderr


def test_awscli_reads_every_key(s3_origin, s3, bucket, tmp_path):
    """What was put, and what was copied from one such key to another."""
    bodies = {}
    for name in SPELLINGS:
        bodies[name] = name.encode()
        s3_origin.put(path_of(name), name.encode())
        if len(name.encode()) < 1000:
            bodies["copy of" + name] = name.encode()
            transfer(s3_origin, "COPY", path_of(name),
                     path_of("copy of" + name))
    awscli(s3, [["s3api", "get-object", "--bucket", bucket.name, "--key", key,
                 str(tmp_path / str(i))] for i, key in enumerate(bodies)])
    for i, body in enumerate(bodies.values()):
        assert (tmp_path / str(i)).read_bytes() == body
    s3_origin.post("/-/delete", {"keys": list(bodies)})
    assert not set(bucket.keys()) & set(bodies)


def test_what_awscli_wrote_is_read(s3_origin, s3, bucket, tmp_path):
    names = list(SPELLINGS)
    for i, name in enumerate(names):
        (tmp_path / str(i)).write_bytes(name.encode())
    awscli(s3, [["s3api", "put-object", "--bucket", bucket.name, "--key",
                 name, "--body", str(tmp_path / str(i))]
                for i, name in enumerate(names)])
    for name in names:
        for spelling in SPELLINGS[name]:
            answer = s3_origin.get(spelling)
            assert (answer.status, answer.body) == (200, name.encode())
    s3_origin.post("/-/delete", {"keys": names})
    assert not set(bucket.keys()) & set(names)


# To the caches

SEVERAL = [(name, paths) for name, paths in SPELLINGS.items()
           if len(paths) > 1]


each_spelled = pytest.mark.parametrize("name, paths", SEVERAL,
                                       ids=[name[:20] for name, _ in SEVERAL])


@pytest.fixture(scope="module")
def with_redis(store, shared_redis, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("n"), store, redis=shared_redis,
               server="content_hot hits=1;") as nginx:
        yield nginx


@pytest.fixture(scope="module")
def with_memory(store, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("n"), store,
               http="content_memory 16m max=512k;") as nginx:
        yield nginx


def is_one_object(origin, paths):
    """What was written by one spelling is read by all others at once."""
    for i, path in enumerate(paths):
        body = b"by spelling %d" % i
        assert origin.put(path, body).status == 204
        for other in paths:
            assert origin.get(other).body == body


@each_spelled
def test_spellings_are_one_record_of_redis(with_redis, shared_redis, name,
                                           paths):
    with_redis.delete(paths[0])
    before = set(shared_redis.records())
    assert with_redis.put(paths[0], b"one").status == 201
    wait_until(lambda: with_redis.get(paths[0]).body == b"one"
               and set(shared_redis.records()) - before,
               what="the record of " + name)
    hits = with_redis.counters()["node"]["hits_redis"]
    for path in paths[1:]:
        assert with_redis.get(path).body == b"one"
    assert (with_redis.counters()["node"]["hits_redis"]
            == hits + len(paths) - 1)
    assert len(set(shared_redis.records()) - before) == 1
    is_one_object(with_redis, paths)


@each_spelled
def test_spellings_are_one_record_of_the_memory_cache(with_memory, name,
                                                      paths):
    with_memory.delete(paths[0])
    assert with_memory.put(paths[0], b"one").status == 201
    assert with_memory.get(paths[0]).body == b"one"
    before = with_memory.counters()["memory"]
    for path in paths:
        assert with_memory.get(path).body == b"one"
    after = with_memory.counters()["memory"]
    assert after["hits"] == before["hits"] + len(paths)
    assert after["records"] == before["records"]
    is_one_object(with_memory, paths)


# What is no key, and what differs

@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("vector", INVALID, ids=lambda v: v["name"])
def test_invalid_key_is_refused(origin, vector, method):
    body = b"x" if method == "PUT" else None
    problem(origin.request(method, vector["path"], body, token=EDITOR), 400)


def test_root_is_no_object(origin):
    problem(origin.get("/"), 404)
    assert origin.put("/", b"x").status in (400, 404)


def test_key_may_be_the_beginning_of_others(origin, key):
    names = ["", "/", "//", "/a", "/a/", "/a/b", "/a/b/", "/a//b"]
    for name in names:
        assert origin.put(key + name, name.encode()).status == 201
    for name in names:
        assert origin.get(key + name).body == name.encode()
    for name in names:
        assert origin.delete(key + name).status == 204
        assert origin.get(key + name).status == 404


def test_keys_differ_by_case_and_normalization(origin, key):
    names = ["A", "a", "\u00e9", "e\u0301", "\u00e4"]
    for name in names:
        assert origin.put(key + name, name.encode()).status == 201
    for name in names:
        assert origin.get(key + name).body == name.encode()


def test_query_does_not_change_the_key_of_a_get(origin, key):
    origin.put(key, b"x")
    assert origin.get(key + "?v=1").body == b"x"
    assert origin.put(key + "%3Fv=1", b"y").status == 201
    assert origin.get(key + "%3Fv=1").body == b"y"
    assert origin.get(key).body == b"x"
