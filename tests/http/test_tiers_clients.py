"""One answer from whatever tier (tiers.py), for clients of each kind: HTTP/1.0,
many requests on a connection, TLS, HTTP/2, and another nginx in front, which
asks for slices.
"""

import http.client
import io
import ssl
import subprocess

import pytest

from harness import Connection
from tiers import LARGE, Tiers, ask_http2

TEXT = b"A line of text.\n" * (LARGE // 16)
CLOSE = "Connection: close\r\n"
KEEP = "Connection: keep-alive\r\n"
RANGE = "Range: bytes=0-9\r\n"
ZIP = "Accept-Encoding: gzip\r\n"

LOCATIONS = """
    location /gzip/ { CONTENT gzip on; gzip_types *; gzip_min_length 1; }
    location /sub/ {
        CONTENT sub_filter line LINES; sub_filter_types *; sub_filter_once off;
    }
    location /last/ { CONTENT keepalive_timeout 0; }
    location ~ ^/sliced(/.*)$ {
        slice 16k;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        proxy_pass http://127.0.0.1:$server_port$1;
    }
    location ~ ^/cached(/.*)$ {
        slice 16k;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        proxy_pass http://127.0.0.1:$server_port$1;
        proxy_cache slices;
        proxy_cache_key $uri$slice_range;
        proxy_cache_valid 200 206 1h;
        proxy_ignore_headers Cache-Control;
    }
"""
SLICES = "proxy_cache_path DIR/slices keys_zone=slices:1m;"
PATHS = ["/large", "/small", "/empty", "/gzip/a", "/sub/a", "/last/a"]


@pytest.fixture(scope="module")
def tiers(tmp_path_factory, s3):
    place = tmp_path_factory.mktemp("tiers")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=o", "-days", "2",
         "-keyout", place / "key", "-out", place / "cert"], check=True,
        capture_output=True)
    tiers = Tiers(place, s3, LOCATIONS, SLICES,
                  tls=f'ssl_certificate "{place}/cert";'
                      f'ssl_certificate_key "{place}/key";')
    for path in PATHS:
        tiers.put(path, {"/small": b"small", "/empty": b""}.get(path, TEXT),
                  content_type="text/plain")
    tiers.away()
    yield tiers
    tiers.stop()


# On one connection, byte for byte

class Source:
    """What http.client reads from: all that came."""

    def __init__(self, reader):
        self.reader = reader

    def makefile(self, _mode):
        return self.reader


class Came(io.BytesIO):
    def close(self):                    # the next answer is in it
        pass


def converse(port, data, methods, tls=False):
    """The answers to what is sent in one go, up to the connection's end:
    (status, headers, body) each, and what is left over."""
    with Connection(port) as connection:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(connection.socket) as secure:
                secure.sendall(data)
                came = Came(b"".join(iter(lambda: secure.recv(65536), b"")))
        else:
            connection.send(data)
            came = Came(connection.reader.read())
    answers = []
    for method in methods:
        response = http.client.HTTPResponse(Source(came), method=method)
        response.begin()
        body = response.read()
        answers.append((response.status, response.headers.items(), body))
    return answers, came.read()


def the_answers(tiers, data, methods, tls=False):
    """From all the same; the connection ends behind the last."""
    groups = {}
    for name, origin in tiers.origins.items():
        tiers.forget(name)
        answers, rest = converse(origin.tls if tls else origin.port, data,
                                 methods, tls)
        assert rest == b""
        told = [(tiers.reduced(name, *answer),
                 dict(answer[1])["Connection"]) for answer in answers]
        groups.setdefault(repr(told), (told, []))[1].append(name)
    assert len(groups) == 1, list(groups.values())
    return next(iter(groups.values()))[0]


def whole(path):
    return {"/small": b"small", "/empty": b"",
            "/sub/a": TEXT.replace(b"line", b"LINES")}.get(path, TEXT)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("version, connection", [
    ("1.0", ""), ("1.0", CLOSE), ("1.1", CLOSE)])
def test_last_request(tiers, path, version, connection):
    for method in ("GET", "HEAD"):
        for headers in ("", RANGE, ZIP):
            [[(status, items, body), ended]] = the_answers(
                tiers, f"{method} {path} HTTP/{version}\r\nHost: o\r\n"
                       f"{connection}{headers}\r\n".encode(), [method])
            assert ended == "close"
            names = dict(items)
            assert version == "1.1" or "transfer-encoding" not in names
            part = (method == "GET" and headers == RANGE
                    and path not in ("/empty", "/sub/a"))
            assert status == (206 if part else 200)
            assert body == (b"" if method == "HEAD"
                            else whole(path)[:10] if part else whole(path))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("headers", ["", RANGE, ZIP, 'If-Match: "x"\r\n'])
@pytest.mark.parametrize("methods", ["GET GET", "HEAD HEAD", "GET HEAD"])
def test_pipelined(tiers, tls, headers, methods):
    """All sent before the first answer is there."""
    asked = [(method, path) for path in ("/large", "/small", "/empty",
                                         "/sub/a", "/gzip/a", "/large")
             for method in methods.split()]
    answers = the_answers(
        tiers, b"".join(f"{method} {path} HTTP/1.1\r\nHost: o\r\n{headers}\r\n"
                        .encode() for method, path in asked)
        + f"GET /last/a HTTP/1.1\r\nHost: o\r\n{headers}\r\n".encode(),
        [method for method, _ in asked] + ["GET"], tls)
    assert [ended for _, ended in answers] == (["keep-alive"] * len(asked)
                                               + ["close"])
    if headers == "":
        assert [body for (_, _, body), _ in answers[:-1]] == [
            b"" if method == "HEAD" else whole(path)
            for method, path in asked]


@pytest.mark.parametrize("body", [
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])
def test_request_with_a_body(tiers, body):
    """Which means nothing, and is not taken for the next request."""
    answers = the_answers(
        tiers, f"GET /large HTTP/1.1\r\nHost: o\r\n{body}"
               f"GET /last/a HTTP/1.1\r\nHost: o\r\n\r\n".encode(),
        ["GET", "GET"])
    assert [(status, sent) for (status, _, sent), _ in answers] == [
        (200, TEXT), (200, TEXT)]


@pytest.mark.parametrize("target", ["http://other.test/large", "/large?a=b",
                                    "/%6carge"])
def test_other_spellings(tiers, target):
    [[(status, _, body), _]] = the_answers(
        tiers, f"GET {target} HTTP/1.1\r\nHost: o\r\n{CLOSE}\r\n".encode(),
        ["GET"])
    assert (status, body) == (200, TEXT)


# TLS, HTTP/2

@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path, headers", [
    ("/large", {}), ("/large", {"range": "bytes=5000-80000"}),
    ("/large", {"range": "bytes=999999-"}), ("/large", {"if_match": '"x"'}),
    ("/empty", {}), ("/sub/a", {"range": "bytes=0-9"}),
    ("/gzip/a", {"accept_encoding": "gzip"})])
def test_tls(tiers, version, method, path, headers):
    """As without, but for what only HTTP/1.1 has."""
    answers = {}
    for name, origin in tiers.origins.items():
        tiers.forget(name)
        told = tiers.told(name, *ask_http2(origin, method, path, headers,
                                           version, scheme="https"))
        answers.setdefault(repr(told), told)
    assert len(answers) == 1, answers
    [(status, items, body)] = answers.values()
    plain, plain_items, plain_body = tiers.ask("memory", method, path,
                                               **headers)
    assert (status, body) == (plain, plain_body)
    assert items == [item for item in plain_items
                     if version == "--http1.1"
                     or item[0] != "transfer-encoding"]


# Slices

@pytest.mark.parametrize("place", ["/sliced", "/cached"])
@pytest.mark.parametrize("headers, status, part", [
    ({}, 200, slice(None)), ({"range": "bytes=0-9"}, 206, slice(0, 10)),
    ({"range": "bytes=16384-"}, 206, slice(16384, None)),
    ({"range": "bytes=16383-16384"}, 206, slice(16383, 16385)),
    ({"range": "bytes=40000-80000"}, 206, slice(40000, 80001)),
    ({"range": f"bytes={LARGE}-"}, 416, None)])
def test_slices(tiers, place, headers, status, part):
    """Another nginx asks for them; twice, for its cache."""
    for _ in range(2):
        for name in tiers.origins:
            told, _, body = tiers.ask(name, "GET", place + "/large", **headers)
            assert told == status, name
            assert part is None or body == TEXT[part], name
