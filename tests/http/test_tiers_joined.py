"""One answer from whatever tier (tiers.py), for clients that come while the
object is being read for the caches: before its head is there, with its first
bytes, in its midst, when one byte is missing.
"""

import threading
import time

import pytest

from harness import wait_until
from s3_fault_proxy import FaultProxy
from tiers import HOT, LARGE, MEMORY, Tiers, ask_http1, ask_http2

TEXT = b"A line of text.\n" * (LARGE // 16)
PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
MOMENTS = {"before the head": None, "at the head": 0, "at the first byte": 1,
           "in the midst": LARGE // 2, "before the end": LARGE - 1}
LOCATIONS = """
    location /gzip/ { CONTENT gzip on; gzip_types *; gzip_min_length 1; }
    location /sub/ {
        CONTENT sub_filter line LINES; sub_filter_types *; sub_filter_once off;
    }
    location /slow/ { CONTENT limit_rate 1m; }
    location /page/ { CONTENT ssi on; ssi_types *; send_timeout 50ms; }
    location /part/ { CONTENT send_timeout 50ms; }
"""
PAGE = b"".join(b'<!--#include virtual="/part/%d" -->|' % i for i in (1, 2, 1))
PAUSE = 0.2             # seconds: more than that time-out
ASKS = [
    ("GET", {}), ("HEAD", {}), ("GET", {"accept_encoding": "gzip"}),
    ("GET", {"range": "bytes=0-9"}), ("GET", {"range": "bytes=999999-"}),
    ("GET", {"range": "bytes=0-9,20-29"}), ("GET", {"range": "bytes=1-0"}),
    ("GET", {"range": "bytes=0-9", "if_range": "{etag}"}),
    ("GET", {"range": "bytes=0-9", "if_range": '"x"'}),
    ("HEAD", {"range": "bytes=0-9"}),
    ("GET", {"if_none_match": "{etag}"}), ("GET", {"if_none_match": '"x"'}),
    ("HEAD", {"if_none_match": "{etag}"}),
    ("GET", {"if_match": "{etag}"}), ("GET", {"if_match": '"x"'}),
    ("GET", {"if_modified_since": PAST}),
    ("GET", {"if_modified_since": FUTURE}),
    ("GET", {"if_unmodified_since": PAST}),
    ("GET", {"want_repr_digest": "sha-256=1"}),
    ("GET", {"want_content_digest": "sha-256=1"}),
]
FILLING = ["joined", "joined-redis"]


@pytest.fixture(scope="module")
def tiers(tmp_path_factory, s3):
    tiers = Tiers(tmp_path_factory.mktemp("tiers"), s3, LOCATIONS,
                  only=("s3",))
    tiers.reads = tiers.open.enter_context(
        FaultProxy(s3.endpoint.removeprefix("http://")))
    reads = tiers.bucket.through(tiers.reads.endpoint)
    tiers.start("joined", reads, http=MEMORY)
    tiers.start("joined-redis", reads, http=HOT, redis=tiers.redis)
    for path in ("/large", "/gzip/a", "/sub/a", "/slow/a"):
        tiers.put(path, TEXT, content_type="text/plain",
                  cache_control="max-age=4", x_content_meta_a="1")
    for path, body in [("/part/1", b"one"), ("/part/2", b"two"),
                       ("/page/a", PAGE)]:
        answer = tiers.origins["s3"].put(path, body, cache_tag="t")
        assert answer.status == 201
    yield tiers
    tiers.stop()


def in_pieces(size, more):
    """As much of the answer at once, the rest when `more` is set."""
    def act(exchange):
        head, body = exchange.fetch()
        if size is not None:
            exchange.send(head + body[:size])
        more.wait(30)
        exchange.send(body[size:] if size is not None else head + body)
    return act


def ask_while_filling(tiers, name, path, moment, asks):
    """What each is answered while another reads the object, up to there."""
    origin = tiers.origins[name]
    assert origin.post("/-/purge", {"tags": ["t"]}).status == 202
    more = threading.Event()
    tiers.reads.fault(in_pieces(moment, more), method="GET", path=path)
    before = origin.counters()["node"]
    answers = {}

    def ask(i, how, method, headers):
        etag, date = tiers.names[name, path]
        headers = {k: v.replace("{etag}", etag).replace("{date}", date)
                   for k, v in headers.items()}
        answers[i] = tiers.reduced(name, *how(origin, method, path, headers))

    threads = [threading.Thread(target=ask, args=(i, *who))
               for i, who in enumerate([(ask_http1, "GET", {}), *asks])]
    try:
        threads[0].start()
        wait_until(lambda: tiers.reads.pending() == 0)
        for thread in threads[1:]:
            thread.start()
        wait_until(lambda: len(answers)
                   + origin.counters()["node"]["fills_joined"]
                   - before["fills_joined"] >= len(asks),
                   what="all to have joined or to be answered")
        assert origin.counters()["node"]["fills"] == before["fills"] + 1
    finally:
        more.set()
        for thread in threads:
            thread.join()
    return [answers[i + 1] for i in range(len(asks))]


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.parametrize("moment", MOMENTS)
def test_who_comes_while_it_is_read(tiers, name, moment):
    answers = ask_while_filling(
        tiers, name, "/large", MOMENTS[moment],
        [(ask_http1, method, headers) for method, headers in ASKS])
    for (method, headers), answer in zip(ASKS, answers):
        assert answer == tiers.ask("s3", method, "/large", **headers), (
            method, headers)


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.parametrize("path", ["/gzip/a", "/sub/a", "/slow/a"])
def test_filters(tiers, name, path):
    asks = [(method, headers) for method, headers in ASKS
            if set(headers) <= {"range", "accept_encoding", "if_none_match"}]
    answers = ask_while_filling(
        tiers, name, path, LARGE // 2,
        [(ask_http1, method, headers) for method, headers in asks])
    for (method, headers), answer in zip(asks, answers):
        assert answer == tiers.ask("s3", method, path, **headers), (
            method, headers)


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.parametrize("moment", MOMENTS)
def test_http2(tiers, name, moment):
    asks = [("GET", {}), ("GET", {"range": "bytes=0-9"}), ("HEAD", {}),
            ("GET", {"if_none_match": "{etag}"})]
    answers = ask_while_filling(
        tiers, name, "/large", MOMENTS[moment],
        [(ask_http2, method, headers) for method, headers in asks])
    for (method, headers), answer in zip(asks, answers):
        assert answer == tiers.ask("s3", method, "/large", http2=True,
                                   **headers), (method, headers)


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.parametrize("moment", [None, 1])
@pytest.mark.parametrize("first, second", [("1", "2"), ("2", "1")])
def test_parts_of_a_page(tiers, name, moment, first, second):
    """Whoever waits for storage, or behind another, is no slow client."""
    origin = tiers.origins[name]
    assert origin.post("/-/purge", {"tags": ["t"]}).status == 202
    more = {part: threading.Event() for part in (first, second)}
    for part, event in more.items():
        tiers.reads.fault(in_pieces(moment, event), method="GET",
                          path="/part/" + part)
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(
        origin.get("/page/a"))) for _ in range(3)]
    try:
        for client in clients:
            client.start()
        wait_until(lambda: tiers.reads.pending() == 0)
        for part in (first, second):
            time.sleep(PAUSE)
            more[part].set()
    finally:
        for event in more.values():
            event.set()
        for client in clients:
            client.join()
    assert [answer.body for answer in answers] == [b"one|two|one|"] * 3
