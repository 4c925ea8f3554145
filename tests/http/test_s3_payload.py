"""How the bodies of uploads are signed: with their SHA-256, or not, and over
TLS not; what S3 gets is seen by a proxy.  Nothing else depends on it.
"""

import base64
import hashlib

import pytest

from harness import EDITOR, Nginx, problem, wait_until
from s3_fault_proxy import FaultProxy, s3_error

UNSIGNED = "UNSIGNED-PAYLOAD"
SMALL = bytes(range(256)) * 10
LARGE = bytes(range(256)) * 4 * 1024 * 11           # 11 MiB: three parts
BODIES = {"one piece": {"body": SMALL}, "empty": {"body": b""},
          "parts": {"body": LARGE}, "chunked parts": {"chunks": [LARGE]}}
SCHEMES = ["http", "https"]


@pytest.fixture(scope="module")
def proxies(s3):
    upstream = s3.endpoint.removeprefix("http://")
    with FaultProxy(upstream) as plain, \
            FaultProxy(upstream, s3.tls_context()) as tls:
        yield {"http": plain, "https": tls}


@pytest.fixture
def proxy(proxies):
    """Over TLS, until the test has ended."""
    yield proxies["https"]
    proxies["https"].clear()


def start(place, s3, bucket, proxy, sign, **how):
    return Nginx(place, bucket.through(proxy.endpoint), location=f"""
            content_s3_ca_file "{s3.ca_file}"; {sign}
            {how.pop('location', '')}""", **how)


@pytest.fixture(scope="module", params=[
    (scheme, mode) for scheme in SCHEMES for mode in (None, "on", "off")],
    ids=lambda p: f"{p[0]}, {p[1] or 'by default'}")
def sending(request, tmp_path_factory, s3, bucket, proxies):
    """(an origin, the proxy behind it, whether payloads are signed)."""
    scheme, mode = request.param
    proxy = proxies[scheme]
    with start(tmp_path_factory.mktemp("sending"), s3, bucket, proxy,
               f"content_s3_sign_payload {mode};" if mode else "") as origin:
        yield origin, proxy, {"on": True, "off": False,
                              None: scheme == "http"}[mode]
    proxy.clear()


def of(request):
    """The SHA-256 of a request's body, as it would be signed."""
    return hashlib.sha256(request.body).hexdigest()


def signed_with(request):
    """What it says of its body, which has to be part of the signature."""
    names = request.headers["authorization"].split("SignedHeaders=")[1]
    assert "x-amz-content-sha256" in names.split(",")[0].split(";")
    return request.headers["x-amz-content-sha256"]


def digest(body):
    return ("sha-256=:"
            + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":")


@pytest.mark.parametrize("kind", BODIES)
def test_what_s3_gets(sending, key, kind):
    origin, proxy, signs = sending
    proxy.requests.clear()
    assert origin.put(key, **BODIES[kind]).status == 201

    bodies = [r for r in proxy.requests
              if r.method == "PUT" and "tagging" not in r.path]
    assert len(bodies) == (3 if "parts" in kind else 1)
    for request in bodies:
        assert signed_with(request) == (
            of(request) if signs or kind == "empty" else UNSIGNED)
    for request in proxy.requests:
        if request not in bodies:       # what we make up ourselves
            assert signed_with(request) == of(request)

    body = BODIES[kind].get("body", LARGE)
    got = origin.get(key, want_repr_digest="sha-256=1")
    assert (got.body, got.headers["Repr-Digest"]) == (body, digest(body))


@pytest.mark.parametrize("kind", ["one piece", "chunked parts"])
def test_what_is_not_as_announced_is_refused(sending, bucket, key, kind):
    origin, *_ = sending
    assert origin.put(key, b"old").status == 201
    problem(origin.put(key, repr_digest=digest(b"other"), **BODIES[kind]),
            400, "Repr-Digest")
    assert origin.get(key).body == b"old"
    wait_until(lambda: not bucket.uploads())


# Servers and policies that want all signed

def refuse(exchange):
    if exchange.request.headers["x-amz-content-sha256"] == UNSIGNED:
        s3_error(403, "AccessDenied")(exchange)
    else:
        exchange.forward()


def test_server_that_wants_it_signed_gets_it(tmp_path, s3, proxy, key):
    bucket = s3.bucket()
    proxy.fault(refuse, method="PUT", times=99)
    with start(tmp_path / "n", s3, bucket, proxy, "",
               location="content_s3_probe on;") as origin:
        profile = wait_until(lambda: next(
            (p for p in origin.get("/-/status", token=EDITOR).json()
             ["s3"].values() if p["probed"]), None))
        assert profile["unsigned_payload"] == "denied"
        assert origin.put(key, SMALL).status == 201
        assert origin.put(key, LARGE).status == 204
        assert "content_s3_sign_payload" not in origin.read_log()


def test_server_that_wants_it_signed_and_is_not_to_get_it(
        tmp_path, s3, proxy, key):
    proxy.fault(refuse, method="PUT", times=99)
    with start(tmp_path / "n", s3, s3.bucket(), proxy,
               "content_s3_sign_payload off;",
               location="content_s3_probe on;") as origin:
        wait_until(lambda: "takes no UNSIGNED-PAYLOAD: uploads will fail "
                           'while "content_s3_sign_payload" is "off"'
                   in origin.read_log())
        problem(origin.put(key, SMALL), 502)
        problem(origin.put(key, LARGE), 502)
        assert "S3: 403 AccessDenied" in origin.read_log()
        assert origin.get(key).status == 404
