"""Writes over HTTP/2, whose bodies come in frames, several at a time on one
connection, within windows that the origin opens.
"""

import signal

import pytest

import h2
from harness import EDITOR, Nginx, data, free_port, request_head, wait_until


MIB = 1024 * 1024
WINDOW = 65536                              # nginx's http2_body_preread_size
PART = {"file": MIB, "s3": 5 * MIB}

TOKEN = ("authorization", f"Bearer {EDITOR}")


def headers(size=None):
    return [TOKEN] if size is None else [TOKEN, ("content-length", size)]


def start(place, store, **how):
    port = free_port()
    server = how.pop("server", "")
    nginx = Nginx(place, store, workers=1,
                  server=f"listen 127.0.0.1:{port} http2; {server}", **how)
    nginx.http2 = port
    return nginx


def put(connection, key, body, size=None):
    """PUT; size: the length that is announced.  Its status."""
    stream = connection.request("PUT", key, headers(size))
    connection.data(stream, body, end=True)
    return connection.answer(stream)


@pytest.fixture(scope="module")
def origin(store, tmp_path_factory):
    nginx = start(tmp_path_factory.mktemp("origin"), store)
    yield nginx
    nginx.stop()


@pytest.fixture
def part(store):
    return PART["file" if store == "file" else "s3"]


def leaves_nothing(nginx, key):
    assert nginx.get(key).status == 404
    wait_until(lambda: nginx.counters()["uploads"]["bytes"] == 0,
               what="no bytes held")
    wait_until(lambda: not nginx.temporary_files(),
               what="no temporary file")


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [0, 1, WINDOW - 1, WINDOW, 6 * MIB + 1])
def test_body_is_stored(origin, key, size, announced):
    body = data(size)
    with h2.Connection(origin.http2) as connection:
        announce = size if announced else None
        assert put(connection, key, body, announce) == 201
        assert put(connection, key, body, announce) == 204
    assert origin.get(key).body == body


def test_no_body_is_an_empty_one(origin, key):
    with h2.Connection(origin.http2) as connection:
        stream = connection.request("PUT", key, headers(), end=True)
        assert connection.answer(stream) == 201
    assert origin.get(key).body == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_condition_in_two_lines_is_400(origin, key, method, header):
    origin.put(key, b"old")
    with h2.Connection(origin.http2) as connection:
        stream = connection.request(method, key, [
            *headers(), (header, '"none"'), (header, "*")], end=True)
        assert connection.answer(stream) == 400
    assert origin.get(key).body == b"old"


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_body_that_is_not_as_announced_is_400(origin, key, size, more, end):
    with h2.Connection(origin.http2) as connection:
        stream = connection.request("PUT", key, headers(size))
        connection.data(stream, data(size + more), end=end)
        if more < 0 and not end:
            connection.data(stream, b"", end=True)
        assert connection.answer(stream) == 400
    leaves_nothing(origin, key)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [0, 1, 6 * MIB])
def test_stream_that_is_reset_leaves_nothing(origin, key, size, announced):
    with h2.Connection(origin.http2) as connection:
        stream = connection.request("PUT", key,
                                    headers(size + 1 if announced else None))
        connection.data(stream, data(size))
        connection.reset(stream)
        assert put(connection, key + "/other", b"hello") == 201
        leaves_nothing(origin, key)


def test_streams_take_turns(origin, key):
    sizes = [0, 1, 70000, MIB, 6 * MIB, 2 * MIB] * 4
    bodies = [data(size, seed) for seed, size in enumerate(sizes)]

    with h2.Connection(origin.http2) as connection:
        streams = [connection.request("PUT", f"{key}/{i}", headers())
                   for i in range(len(bodies))]
        left = dict(zip(streams, map(memoryview, bodies)))
        while left:
            before = sum(map(len, left.values())) + len(left)
            for stream in list(left):
                left[stream] = connection.some(stream, left[stream], end=True)
                if not left[stream]:
                    del left[stream]
            if before == sum(map(len, left.values())) + len(left):
                connection.step()           # all the windows are used up
        assert {connection.answer(stream) for stream in streams} == {201}

    for i, body in enumerate(bodies):
        assert origin.get(f"{key}/{i}").body == body


def test_upload_goes_on_over_a_reload(store, tmp_path, key):
    body = data(9 * MIB)
    with start(tmp_path / "nginx", store) as nginx:
        with h2.Connection(nginx.http2) as connection:
            stream = connection.request("PUT", key, headers())
            connection.data(stream, body[:7 * MIB])
            old = set(nginx.workers())
            nginx.send(signal.SIGHUP)
            wait_until(lambda: set(nginx.workers()) - old, what="new workers")
            connection.data(stream, body[7 * MIB:], end=True)
            assert connection.answer(stream) == 201
        wait_until(lambda: not set(nginx.workers()) & old,
                   what="the old worker to leave")
        assert nginx.get(key).body == body


def test_who_waits_for_memory_is_not_timed_out(store, tmp_path, key, part):
    """What came while it waited was no part of its own time."""
    name = "file" if store == "file" else "s3"
    with start(tmp_path / "nginx", store,
               http=f"content_upload_memory {part};",
               location="client_body_timeout 1s;",
               server=f"location /holder/ {{ content {name}; }}") as nginx:
        def uploads():
            return nginx.counters()["uploads"]

        holder = nginx.connect()
        holder.send(request_head("PUT", f"/holder{key}", {
            "Host": "origin.test", "Authorization": f"Bearer {EDITOR}",
            "Content-Length": part}) + b"x")
        wait_until(lambda: uploads()["bytes"], what="bytes held")

        with h2.Connection(nginx.http2) as connection:
            stream = connection.request("PUT", key, headers(10))
            connection.data(stream, b"hello")
            wait_until(lambda: uploads()["waiting"], what="it to wait")
            connection.data(stream, b"world")
            connection.ping()

            # whoever comes later and says nothing has been timed out
            with nginx.connect() as later:
                later.send(request_head("PUT", f"{key}/later", {
                    "Host": "origin.test", "Content-Length": 1,
                    "Authorization": f"Bearer {EDITOR}"}))
                assert later.at_end()

            holder.send(b"x" * (part - 1))
            assert holder.answer("PUT").status == 201
            holder.close()

            connection.data(stream, b"", end=True)
            assert connection.answer(stream) == 201
        assert nginx.get(key).body == b"helloworld"


def test_body_that_ended_before_it_was_asked_for(store, tmp_path, key):
    """limit_req holds the request; nginx is told to put bodies into files."""
    with start(tmp_path / "nginx", store,
               http="limit_req_zone $binary_remote_addr zone=z:1m rate=5r/s;",
               server="client_body_in_file_only on;",
               location="limit_req zone=z burst=5;") as nginx:
        with h2.Connection(nginx.http2) as connection:
            streams = []
            for i in range(3):
                streams.append(connection.request("PUT", f"{key}/{i}",
                                                  headers()))
                connection.data(streams[i], data(100, i), end=True)
            assert {connection.answer(s) for s in streams} == {201}
        for i in range(3):
            assert nginx.get(f"{key}/{i}").body == data(100, i)
