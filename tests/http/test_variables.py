"""What logs can say of a request: the tier that answered, how long Redis and
storage took, and how large the object is.
"""

import re

from harness import EDITOR, Nginx, wait_until

FORMAT = ('log_format content "$request_method $uri $content_tier '
          '$content_redis_time $content_store_time $content_object_size";')
TIME = r"\d+\.\d{3}"


def expect(log, *patterns):
    """The lines of all GET and HEAD, but those of the API; each is written
    some time after the answer."""
    def complete():
        lines = [line for line in log.read_text().splitlines(keepends=True)
                 if line.startswith(("GET", "HEAD")) and "/-/" not in line]
        return len(lines) >= len(patterns) and lines

    for line, pattern in zip(wait_until(complete), patterns, strict=True):
        assert re.fullmatch(pattern + "\n", line), (line, pattern)


def test_variables_tell_the_tier(tmp_path, bucket, redis):
    log = tmp_path / "access"
    log.touch(mode=0o666)
    with Nginx(tmp_path / "n", bucket, redis=redis, workers=1,
               http="content_memory 16m max=64k; content_hot hits=1;"
               + FORMAT, server=f"access_log {log} content;") as nginx:
        wait_until(lambda: nginx.counters()["redis"]["ready"])
        nginx.put("/a", b"hello")
        nginx.put("/large", bytes(100_000))

        nginx.get("/a")
        wait_until(redis.bodies)
        nginx.get("/a")
        nginx.head("/a")
        nginx.get("/large")
        nginx.head("/large")
        nginx.get("/absent")
        nginx.get("/-/list", token=EDITOR)
        expect(log, rf"GET /a fill {TIME} {TIME} 5",
               "GET /a memory - - 5", "HEAD /a memory - - 5",
               rf"GET /large store {TIME} {TIME} 100000",
               "HEAD /large memory - - 100000",
               rf"GET /absent - {TIME} {TIME} -")


def test_variables_tell_of_redis(tmp_path, bucket, redis):
    log = tmp_path / "access"
    log.touch(mode=0o666)
    with Nginx(tmp_path / "n", bucket, redis=redis, workers=1,
               http="content_hot hits=1;" + FORMAT,
               server=f"access_log {log} content;") as nginx:
        wait_until(lambda: nginx.counters()["redis"]["ready"])
        nginx.put("/a", b"hello")
        nginx.get("/a")
        wait_until(redis.bodies)
        nginx.get("/a")
        expect(log, rf"GET /a fill {TIME} {TIME} 5",
               rf"GET /a redis {TIME} - 5")
