"""The memory cache: everything that holds for objects holds for what comes
from shared memory; a write is seen by all workers; slow clients, evictions
and killed workers damage nothing.
"""

import concurrent.futures
import gzip
import inspect
import os
import random
import subprocess
import threading
import time

import pytest

import test_errors
import test_objects
from harness import EDITOR, Nginx, free_port, problem, tier, wait_until
from readers import SlowReader, never_older
from s3_fault_proxy import FaultProxy, hold

MIB = 1 << 20
MEMORY = "content_memory 64m max=2m; sendfile on;"


# What holds for objects

class Warm(Nginx):
    """Asks for everything twice, so that the second answer, which the test
    sees, comes from memory where that is possible."""

    def request(self, method, path, body=None, **how):
        if method in ("GET", "HEAD") and not str(path).startswith("/-/"):
            super().request("GET", path, token=how.get("token"))
        return super().request(method, path, body, **how)


@pytest.fixture(scope="module")
def origin(store, tmp_path_factory):
    nginx = Warm(tmp_path_factory.mktemp("memory"), store, http=MEMORY)
    yield nginx
    nginx.stop()


def adopt(module, but=()):
    """All tests of the module that use `origin`, which here is ours."""
    for name, value in vars(module).items():
        if (name.startswith("test_") and name not in but
                and "origin" in inspect.signature(value).parameters):
            globals()[name] = value


adopt(test_objects, but=["test_cache_status_names_the_store",
                         "test_one_of_many_conditional_creations_wins"])
adopt(test_errors)


# Answers

def store_name(place):
    """As Cache-Status and "content" name it."""
    return "file" if place == "file" else "s3"


def warm(nginx, path):
    """Asks until memory answers; the answer."""
    def ask():
        answer = nginx.get(path)
        assert answer.status == 200, answer
        return tier(answer) == "memory" and answer
    return wait_until(ask, what=f"{path} to come from memory")


def test_what_is_adopted_is_answered_from_memory(origin, key):
    origin.put(key, b"x")
    assert tier(origin.get(key)) == "memory"


@pytest.fixture
def plain(tmp_path, store):
    with Nginx(tmp_path / "n", store, http=MEMORY) as nginx:
        yield nginx


def test_second_get_comes_from_memory_with_the_same_headers(plain, key):
    plain.put(key, b"hello", **test_objects.KEPT, cache_tag="a,b")
    first, second = plain.get(key), plain.get(key)
    assert tier(first) != "memory"
    assert second.headers["Cache-Status"] == "ngx_content; hit; detail=memory"
    differ = ("Date", "Cache-Status")
    assert ([(k, v) for k, v in sorted(first.headers.items())
             if k not in differ]
            == [(k, v) for k, v in sorted(second.headers.items())
                if k not in differ])
    assert first.body == second.body == b"hello"


@pytest.mark.parametrize("size, kept", [(0, None), (1, True), (2 * MIB, True),
                                        (2 * MIB + 1, False),
                                        (6 * MIB, False)])
def test_objects_up_to_max_are_kept(plain, key, size, kept):
    body = random.Random(size).randbytes(size)
    plain.put(key, body)
    for _ in range(3):
        answer = plain.get(key)
        assert answer.body == body
    if kept is not None:
        assert (tier(answer) == "memory") == kept


def test_location_that_is_not_hot_is_kept_out(tmp_path, store, key):
    with Nginx(tmp_path / "n", store, http=MEMORY,
               location="content_hot off;") as nginx:
        nginx.put(key, b"x")
        for _ in range(4):
            assert tier(nginx.get(key)) != "memory"


def test_record_ends_with_its_ttl(tmp_path, place):
    with Nginx(tmp_path / "n", place, http=MEMORY
               + "content_hot ttl=300ms;") as nginx:
        nginx.put("/a", b"x")
        warm(nginx, "/a")
        wait_until(lambda: tier(nginx.get("/a")) == store_name(place))


def test_rights_are_checked_before_memory_answers(tmp_path, place):
    with Nginx(tmp_path / "n", place, http=MEMORY, anonymous="off") as nginx:
        nginx.put("/a", b"x")
        for _ in range(3):
            assert nginx.get("/a", token=EDITOR).status == 200
        problem(nginx.get("/a"), 401)


def test_same_key_in_two_stores_is_two_objects(tmp_path, bucket):
    second = Nginx(tmp_path / "unused", start=False)
    with Nginx(tmp_path / "n", bucket, http=MEMORY + f"""
               server {{ listen 127.0.0.1:{second.port};
                         location / {{ content file;
                             content_file_root {tmp_path}/f;
                             content_anonymous read;
                             content_tokens {tmp_path}/n/tokens; }} }}
               """) as nginx:
        for _ in range(2):
            nginx.put("/a", b"in s3")
            second.put("/a", b"in a file")
            for _ in range(3):
                assert nginx.get("/a").body == b"in s3"
                assert second.get("/a").body == b"in a file"


def test_policy_of_a_new_configuration_holds_for_what_is_kept(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY) as nginx:
        nginx.put("/a", b"x")
        nginx.put("/own", b"x", cache_control="max-age=7")
        warm(nginx, "/a")
        warm(nginx, "/own")
        nginx.write(location='content file; content_cache_control "max-age=5";'
                             'content_cdn_cache_control "max-age=6";')
        nginx.reload()
        answer = nginx.get("/a")
        assert tier(answer) == "memory"         # it survived the reload
        assert answer.all("Cache-Control") == ["max-age=5"]
        assert answer.all("CDN-Cache-Control") == ["max-age=6"]
        assert nginx.get("/own").all("Cache-Control") == ["max-age=7"]


def test_new_size_is_a_new_memory(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY) as nginx:
        nginx.put("/a", b"x")
        warm(nginx, "/a")
        nginx.write(http="content_memory 32m;")
        nginx.reload()
        assert nginx.get("/a").body == b"x"
        warm(nginx, "/a")
        nginx.write(http="content_memory off;")
        nginx.reload()
        assert tier(nginx.get("/a")) == "file"


# Filters change what goes out, never what is kept

SWAP = bytes.maketrans(b"abcd", b"badc")

FILTERS = [
    ("gzip", "gzip on; gzip_types *; gzip_min_length 1;", gzip.compress),
    ("sub_filter", "sub_filter a xyz; sub_filter_once off;"
                   "sub_filter_types *;", lambda b: b.replace(b"a", b"xyz")),
    ("sub_filter of one length", "sub_filter a x; sub_filter_once off;"
                                 "sub_filter_types *;",
     lambda b: b.replace(b"a", b"x")),
    ("charset", "charset second; source_charset first; charset_types *;",
     lambda b: b.translate(SWAP)),
    ("addition", "add_after_body /tail; addition_types *;",
     lambda b: b + b"tail"),
    ("limit_rate", "limit_rate 1m;", bytes),
]


@pytest.mark.parametrize("name, directives, expected", FILTERS,
                         ids=[f[0] for f in FILTERS])
@pytest.mark.parametrize("size", [1000, 300_000])
def test_filter_does_not_change_what_is_kept(tmp_path, place, name, directives,
                                             expected, size):
    charset = "charset_map first second { 61 62; 62 61; 63 64; 64 63; }"
    with Nginx(tmp_path / "n", place, http=MEMORY + charset, location=f"""
               location /f/ {{ content {store_name(place)}; {directives} }}
               location = /tail {{ return 200 tail; }}""") as nginx:
        body = bytes(random.Random(1).choices(b"abcd\n", k=size))
        nginx.put("/f/a", body, content_type="text/plain")
        for _ in range(5):
            answer = nginx.get("/f/a", accept_encoding="gzip")
            if name == "gzip":
                assert gzip.decompress(answer.body) == body
            else:
                assert answer.body == expected(body)
        assert tier(answer) == "memory"
        nginx.write(location="location /f/ { content %s; }"
                    % store_name(place))
        nginx.reload()
        answer = nginx.get("/f/a")
        assert tier(answer) == "memory"
        assert answer.body == body


# Writes

@pytest.mark.parametrize("with_redis", [False, True], ids=["", "redis"])
def test_write_is_seen_by_all_workers(tmp_path, store, key, with_redis,
                                      redis):
    with Nginx(tmp_path / "n", store, http=MEMORY, workers=3,
               redis=redis if with_redis else None) as nginx:
        nginx.put(key, b"0")
        for i in range(1, 10):
            warm(nginx, key)
            nginx.put(key, b"%d" % i)
            for _ in range(6):
                assert nginx.get(key).body == b"%d" % i
        nginx.delete(key)
        for _ in range(6):
            problem(nginx.get(key), 404)


@pytest.mark.parametrize("body", [
    {"urls": ["https://www.example.com/a"]}, {"tags": ["a"]},
    {"everything": True}])
def test_purge_drops_what_is_kept(tmp_path, place, body):
    with Nginx(tmp_path / "n", place, http=MEMORY) as nginx:
        nginx.put("/a", b"x", cache_tag="a")
        warm(nginx, "/a")
        nginx.post("/-/purge", body)
        hits = nginx.counters()["memory"]["hits"]
        assert tier(nginx.get("/a")) == store_name(place)
        assert nginx.counters()["memory"]["hits"] == hits
        warm(nginx, "/a")


@pytest.mark.parametrize("with_redis", [False, True], ids=["", "redis"])
def test_reader_never_sees_older_than_what_was_answered(
        tmp_path, store, key, with_redis, redis):
    with Nginx(tmp_path / "n", store, http=MEMORY + "content_hot hits=1;",
               redis=redis if with_redis else None) as nginx:
        never_older(nginx, key, "memory")


@pytest.mark.parametrize("write", ["put", "delete", "purge"])
@pytest.mark.parametrize("workers", [1, 2])
def test_fill_that_began_before_a_write_is_not_kept(tmp_path, s3, bucket, key,
                                                    write, workers):
    with FaultProxy(s3.endpoint.removeprefix("http://")) as proxy, \
         Nginx(tmp_path / "n", bucket.through(proxy.endpoint), http=MEMORY,
               workers=workers) as nginx:
        nginx.put(key, b"old")
        release = threading.Event()
        proxy.fault(hold(release), method="GET")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(nginx.get, key)
            wait_until(lambda: proxy.held)
            if write == "put":
                nginx.put(key, b"new")
            elif write == "delete":
                nginx.delete(key)
            else:
                bucket.client.put_object(Bucket=bucket.name, Key=key[1:],
                                         Body=b"new")
                nginx.post("/-/purge", {"tags": ["a"]})
            release.set()
            assert slow.result().body == b"old"     # it began before
        for _ in range(5):
            answer = nginx.get(key)
            if write == "delete":
                problem(answer, 404)
            else:
                assert answer.body == b"new"


def test_redis_that_hangs_keeps_no_write_from_memory(tmp_path, place, redis):
    with Nginx(tmp_path / "n", place, http=MEMORY, redis=redis) as nginx:
        nginx.put("/a", b"old")
        warm(nginx, "/a")
        redis.pause()
        assert nginx.put("/a", b"new").status == 204
        for _ in range(5):
            assert nginx.get("/a").body == b"new"
        redis.resume()
        for _ in range(20):
            assert nginx.get("/a").body == b"new"


# Pressure

def test_more_than_fits_is_answered_right(tmp_path, place):
    """40 MB of objects and 8 MB of memory."""
    with Nginx(tmp_path / "n", place,
               http="content_memory 8m max=500k;") as nginx:
        bodies = {f"/{i}": random.Random(i).randbytes(1000 * (i % 200 + 1))
                  for i in range(400)}
        for path, body in bodies.items():
            nginx.put(path, body)

        def ask(seed):
            dice = random.Random(seed)
            for _ in range(250):
                # some are asked for more often than others
                path = f"/{int(dice.paretovariate(0.5)) % 400}"
                answer = nginx.get(path)
                assert answer.body == bodies[path]

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            list(pool.map(ask, range(6)))
        counters = nginx.counters()["memory"]
        assert counters["hits"] > 100
        assert counters["held"] == 0


@pytest.mark.parametrize("readers", [1, 30, 300])
def test_slow_reader_gets_what_it_began_with(tmp_path, readers):
    """While the object is replaced, and all memory is used for others."""
    with Nginx(tmp_path / "n", http="content_memory 32m max=2m;",
               listen="sndbuf=512k") as nginx:
        body = os.urandom(2 * MIB - 5000)
        nginx.put("/slow", body)
        warm(nginx, "/slow")
        slow = [SlowReader(nginx, "/slow") for _ in range(readers)]
        wait_until(lambda: nginx.counters()["memory"]["held"] > 0)
        nginx.put("/slow", b"new")
        for i in range(40):
            nginx.put(f"/{i % 20}", os.urandom(2 * MIB - 5000))
            nginx.get(f"/{i % 20}")
            nginx.get(f"/{i % 20}")
        assert nginx.get("/slow").body == b"new"
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for answer in pool.map(SlowReader.finish, slow):
                assert answer.body == body
        wait_until(lambda: nginx.counters()["memory"]["held"] == 0)


def test_reader_for_whom_there_is_no_hold_gets_what_it_began_with(tmp_path):
    with Nginx(tmp_path / "n", http="content_memory 32m max=2m;", workers=1,
               listen="sndbuf=512k") as nginx:
        first, last = (os.urandom(2 * MIB - 5000) for _ in range(2))
        nginx.put("/first", first)
        nginx.put("/last", last)
        warm(nginx, "/first")
        warm(nginx, "/last")
        slow = [SlowReader(nginx, "/first") for _ in range(123)]
        wait_until(lambda: nginx.counters()["memory"]["held"] == 123)
        slower = SlowReader(nginx, "/last")
        assert slow[0].finish().body == first
        nginx.put("/last", b"new")
        for i in range(40):
            nginx.put(f"/{i % 20}", os.urandom(2 * MIB - 5000))
            nginx.get(f"/{i % 20}")
            nginx.get(f"/{i % 20}")
        assert slower.finish().body == last
        for reader in slow[1:]:
            assert reader.finish().body == first


def test_slow_reader_by_http_2_gets_what_it_began_with(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY, listen="http2 sndbuf=512k",
               start=False) as nginx:
        plain = free_port()
        nginx.write(server=nginx.settings["server"]
                    + f"listen 127.0.0.1:{plain};")
        nginx.start()
        nginx.port, port = plain, nginx.port
        body = os.urandom(2 * MIB - 5000)
        nginx.put("/slow", body)
        warm(nginx, "/slow")
        with subprocess.Popen(
                ["curl", "-sS", "--http2-prior-knowledge", "--noproxy", "*",
                 "--limit-rate", "3m", f"http://127.0.0.1:{port}/slow"],
                stdout=subprocess.PIPE) as curl:
            got = curl.stdout.read(1000)
            nginx.put("/slow", b"new")
            for i in range(60):
                nginx.put(f"/{i}", os.urandom(2 * MIB - 5000))
                nginx.get(f"/{i}")
            assert got + curl.stdout.read() == body
        assert curl.returncode == 0


def test_slow_readers_that_leave_hold_nothing(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY, listen="sndbuf=512k") as nginx:
        body = os.urandom(2 * MIB - 5000)
        nginx.put("/slow", body)
        warm(nginx, "/slow")
        slow = [SlowReader(nginx, "/slow") for _ in range(20)]
        wait_until(lambda: nginx.counters()["memory"]["held"] > 0)
        for reader in slow:
            reader.connection.reset()
        wait_until(lambda: nginx.counters()["memory"]["held"] == 0)
        assert nginx.get("/slow").body == body


def test_slow_readers_outlive_a_reload(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY, listen="sndbuf=512k") as nginx:
        body = os.urandom(2 * MIB - 5000)
        nginx.put("/slow", body)
        warm(nginx, "/slow")
        slow = [SlowReader(nginx, "/slow") for _ in range(10)]
        wait_until(lambda: nginx.counters()["memory"]["held"] > 0)
        old = set(nginx.workers())
        nginx.send(1)
        wait_until(lambda: set(nginx.workers()) - old)
        nginx.put("/slow", b"new")
        for i in range(60):
            nginx.put(f"/{i}", os.urandom(2 * MIB - 5000))
            nginx.get(f"/{i}")
        for reader in slow:
            assert reader.finish().body == body
        wait_until(lambda: not set(nginx.workers()) & old)
        assert nginx.get("/slow").body == b"new"


def test_killed_worker_holds_nothing(tmp_path):
    with Nginx(tmp_path / "n", http=MEMORY, listen="sndbuf=512k") as nginx:
        body = os.urandom(2 * MIB - 5000)
        nginx.put("/slow", body)
        warm(nginx, "/slow")
        slow = [SlowReader(nginx, "/slow") for _ in range(20)]
        wait_until(lambda: nginx.counters()["memory"]["held"] > 0)
        for pid in nginx.workers():
            nginx.kill_worker(pid)
        for reader in slow:
            reader.connection.close()
        wait_until(lambda: nginx.counters()["memory"]["held"] == 0)
        for i in range(60):
            nginx.put(f"/{i}", os.urandom(MIB))
            nginx.get(f"/{i}")
        assert nginx.get("/slow").body == body


def test_workers_killed_under_load_damage_nothing(tmp_path):
    with Nginx(tmp_path / "n", http="content_memory 8m max=500k;") as nginx:
        bodies = {f"/{i}": random.Random(i).randbytes(20_000 * (i % 10 + 1))
                  for i in range(100)}
        for path, body in bodies.items():
            nginx.put(path, body)
        stop = threading.Event()

        def ask(seed):
            dice, good = random.Random(seed), 0
            while not stop.is_set():
                path = dice.choice(list(bodies))
                try:
                    answer = nginx.get(path)
                except (OSError, ConnectionError):
                    continue                    # its worker was killed
                if answer.complete:
                    assert answer.body == bodies[path]
                    good += 1
            return good

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            askers = [pool.submit(ask, i) for i in range(6)]
            try:
                for _ in range(12):
                    time.sleep(0.1)
                    nginx.kill_worker(random.choice(nginx.workers()))
            finally:
                stop.set()
            assert sum(asker.result() for asker in askers) > 100
        for path, body in bodies.items():
            assert nginx.get(path).body == body
            nginx.put(path, b"new")
            assert nginx.get(path).body == b"new"
