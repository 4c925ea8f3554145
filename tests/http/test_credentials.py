"""Credentials for S3: every provider serves, temporary ones are fetched in
the background and never for a request, and none of them reaches a log.

The endpoints are ../fakes/credentials.py; the keys they hand out are real
keys of the S3 server, so that what was signed with old ones can be told.
"""

import concurrent.futures
import http.server
import itertools
import subprocess
import threading
import time
import urllib.error
import urllib.request

import botocore.session
import botocore.utils
import pytest

from credentials import (CONTAINER_PATH, ROLE_PATH, TOKEN_PATH, Endpoints,
                         Refusal)
from harness import EDITOR, Nginx, problem, wait_until

SESSION_TOKEN = "FwoGZXIvYXdzEBYaDHNlc3Npb24/to+ken=="
SHORT = 4               # seconds: a life of which half is left at the refresh


class Keys:
    """Access keys of the S3 server's user, besides its first."""

    def __init__(self, server):
        self.server, self.made = server, 0

    def admin(self, *arguments):
        subprocess.run(
            ["radosgw-admin", "-c", self.server.dir / "ceph.conf",
             "--no-mon-config", *arguments, "--uid=content"], check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    def create(self):
        self.made += 1
        access = f"ROTATED{self.made:04}"
        secret = f"rotated/Secret+{self.made:04}"
        self.admin("key", "create", "--key-type=s3",
                   f"--access-key={access}", f"--secret-key={secret}")
        return access, secret

    def remove(self, access):
        self.admin("key", "rm", f"--access-key={access}")


@pytest.fixture(scope="module")
def keys(s3):
    return Keys(s3)


@pytest.fixture
def fake(s3):
    with Endpoints(s3.access_key, s3.secret_key, SESSION_TOKEN) as endpoints:
        yield endpoints


# Making an origin of each kind: (what follows the directive's name, variables)

def use_env(fake, _):
    return "env", {"AWS_ACCESS_KEY_ID": fake.access,
                   "AWS_SECRET_ACCESS_KEY": fake.secret,
                   "AWS_SESSION_TOKEN": fake.token or ""}


def use_file(fake, workdir):
    path = workdir / "shared-profiles"
    path.write_text("[default]\naws_access_key_id = WRONG\n"
                    "aws_secret_access_key = wrong\n\n[work]\n"
                    f"aws_access_key_id = {fake.access}\n"
                    f"aws_secret_access_key = {fake.secret}\n"
                    f"aws_session_token = {fake.token}\n")
    return f'file "{path}" profile=work', {}


def use_imds(fake, _):
    return f"imds endpoint={fake.url}/", {}


def use_container(fake, _):
    return "container", {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.url + CONTAINER_PATH,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": fake.authorization}


def use_container_file(fake, workdir):
    path = workdir / "authorization"
    path.write_text(fake.authorization)
    return "container", {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.url + CONTAINER_PATH,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)}


def use_web_identity(fake, workdir):
    path = workdir / "identity"
    path.write_text(fake.identity + "\n")
    return f"web_identity sts={fake.url}/", {
        "AWS_ROLE_ARN": fake.role_arn,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(path)}


FIXED = [use_env, use_file]
FETCHED = [use_imds, use_container, use_container_file, use_web_identity]
each_fetched = pytest.mark.parametrize("use", FETCHED)
once_each_way = pytest.mark.parametrize(
    "use", [use_imds, use_container_file, use_web_identity])
each = pytest.mark.parametrize("use", FIXED + FETCHED)


class Origin(Nginx):
    """An origin whose location has credentials of its own."""

    def __init__(self, workdir, bucket, fake, use, **how):
        self.fake = fake
        directive, variables = use(fake, workdir)
        super().__init__(workdir / "nginx", bucket, environment=variables,
                         location=f"content_s3_credentials {directive};",
                         **how)

    def s3_lines(self, bucket):
        """The server's own credentials are of no use."""
        lines = super().s3_lines(bucket)
        (self.dir / "secret/aws").write_text(
            "[default]\naws_access_key_id = NOBODY\n"
            "aws_secret_access_key = nothing\n")
        return lines

    def ready(self):
        """Once a worker has credentials: then all have."""
        wait_until(lambda: self.get("/absent").status == 404,
                   what="credentials")
        return self

    def check_log(self):
        super().check_log()
        texts = {path: path.read_text(errors="replace")
                 for path in (self.log, self.dir / "stderr")
                 if path.exists()}
        for path, text in texts.items():
            for secret in self.fake.secrets():
                assert secret not in text, f"a secret is in {path}"


def serves(origin, key):
    """GET and PUT, small and in parts, HEAD, list and DELETE."""
    large = b"0123456789abcdef" * (6 * 65536)
    assert origin.put(key, b"abc").status == 201
    assert origin.put(key + "-large", large).status == 201
    assert origin.get(key).body == b"abc"
    assert origin.get(key + "-large").body == large
    assert origin.get(key, Range="bytes=1-").body == b"bc"
    assert origin.head(key).status == 200
    assert [o["key"] for o in origin.list(f"?prefix={key[1:]}-")["objects"]
            ] == [key[1:] + "-large"]
    assert origin.delete(key).status == 204
    assert origin.get(key).status == 404


@each
def test_provider_serves(use, fake, bucket, workdir, key):
    with Origin(workdir, bucket, fake, use) as origin:
        serves(origin.ready(), key)


def test_without_a_session_token(fake, bucket, workdir, key):
    """As long-lived keys have none."""
    fake.token = None
    with Origin(workdir, bucket, fake, use_imds) as origin:
        serves(origin.ready(), key)


@each_fetched
def test_no_request_fetches(use, fake, bucket, workdir, key):
    with Origin(workdir, bucket, fake, use, workers=2) as origin:
        origin.ready()
        assert origin.put(key, b"abc").status == 201
        for _ in range(40):
            assert origin.get(key).status == 200
            assert origin.head(key).status == 200
        assert fake.fetches() <= 2          # at most one a worker


@pytest.mark.parametrize("others", ["refused", "held"])
@each_fetched
def test_one_fetch_serves_all_workers(use, fake, bucket, workdir, others):
    """Also those whose own fetch has failed, or has not ended."""
    answer, numbers = fake.answer, itertools.count(1)
    arrived, ended = threading.Semaphore(0), threading.Event()

    def answer_first(method, path, headers, body):
        if path not in (TOKEN_PATH, ROLE_PATH):
            if next(numbers) > 1:
                arrived.release()
                if others == "held":
                    ended.wait(10)
                raise Refusal(500)
            for _ in range(3):
                arrived.acquire(timeout=1)
        return answer(method, path, headers, body)

    fake.answer = answer_first
    with Origin(workdir, bucket, fake, use, workers=4) as origin:
        origin.ready()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(origin.get, ["/absent"] * 200))
        ended.set()
        assert {answer.status for answer in answers} == {404}


@once_each_way
def test_rotation_fails_no_request(use, fake, keys, bucket, workdir, key):
    """Keys change under way; the old ones stop working, as after their
    expiry."""
    fake.life = SHORT
    with Origin(workdir, bucket, fake, use, workers=2) as origin:
        origin.ready()
        begun = time.monotonic()
        assert origin.put(key, b"abc").status == 201

        old = None
        for _ in range(2):
            access, secret = keys.create()
            fake.access, fake.secret = access, secret
            fake.served.add(secret)
            fetched = fake.fetches()
            end = time.monotonic() + SHORT
            while time.monotonic() < end:
                assert origin.get(key).status == 200
                assert origin.put(key, b"abc").status == 204
            assert fake.fetches() > fetched
            if old:
                keys.remove(old)
                assert origin.get(key).status == 200
                assert origin.put(key, b"abc").status == 204
            old = access

        # a life is fetched about twice, not in a loop
        lives = (time.monotonic() - begun) / SHORT
        assert fake.fetches() <= 2 * 3 * (lives + 1)


@once_each_way
def test_endpoint_that_goes_down(use, fake, bucket, workdir, key):
    """Served until the credentials expire, then 503; then served again."""
    fake.life = 6
    with Origin(workdir, bucket, fake, use, workers=1) as origin:
        origin.ready()
        assert origin.put(key, b"abc").status == 201
        wait_until(lambda: fake.fetches() == 2)
        last = fake.calls[-1][0]
        fake.stop()

        while time.time() < last + fake.life - 1.5:
            assert origin.get(key).status == 200
            assert origin.put(key, b"abc").status == 204
            time.sleep(0.05)

        wait_until(lambda: origin.get(key).status != 200)
        assert time.time() >= last + fake.life - 1
        unavailable(origin, key)
        assert "the S3 credentials have expired" in origin.read_log()
        assert "fetching S3 credentials" in origin.read_log()

        fake.restart()
        wait_until(lambda: origin.get(key).status == 200, seconds=40)
        assert origin.put(key, b"abc").status == 204


def unavailable(origin, key):
    """Every way to S3 is a 503 that says when to come back."""
    large = b"0123456789abcdef" * (6 * 65536)
    answers = [origin.get(key), origin.get(key, Range="bytes=1-"),
               origin.put(key, b"abc"), origin.put(key, large),
               origin.delete(key), origin.get("/-/list", token=EDITOR)]
    for answer in answers:
        problem(answer, 503)
        assert answer.headers["Retry-After"], answer
    assert origin.head(key).status == 503


FAULTS = {
    "refused": (500, "answered 500"),
    "cut": ("cut", "failed: "),
    "garbage": ("garbage", "no credentials"),
    "expired": (None, "expired already"),
}


@each_fetched
@pytest.mark.parametrize("name", FAULTS)
def test_no_credentials_yet(use, name, fake, bucket, workdir, key):
    fault, words = FAULTS[name]
    fake.fault = fault
    life = fake.life
    if name == "expired":
        fake.life = -10
    if name == "garbage" and use is use_imds:
        words = "answered 401"              # it starts with half a token
    with Origin(workdir, bucket, fake, use, workers=1) as origin:
        wait_until(lambda: words in origin.read_log())
        unavailable(origin, key)
        assert "no S3 credentials yet" in origin.read_log()

        fake.fault, fake.life = None, life
        wait_until(lambda: origin.get(key).status == 404)
        assert origin.put(key, b"abc").status == 201


def test_a_stalled_endpoint_is_given_up(fake, bucket, workdir, key):
    fake.fault = "stall"
    with Origin(workdir, bucket, fake, use_imds, workers=1) as origin:
        assert origin.get(key).status == 503
        wait_until(lambda: "fetching S3 credentials" in origin.read_log())
        fake.fault = None
        wait_until(lambda: origin.get(key).status == 404)


def test_instance_without_a_role(fake, bucket, workdir, key):
    fake.role = ""
    with Origin(workdir, bucket, fake, use_imds, workers=1) as origin:
        wait_until(lambda: "no role is attached" in origin.read_log())
        assert origin.get(key).status == 503


@pytest.mark.parametrize("use, name, attribute", [
    (use_container_file, "authorization", "authorization"),
    (use_web_identity, "identity", "identity")])
def test_token_file_is_read_again(use, name, attribute, fake, bucket, workdir,
                                  key):
    """As Kubernetes replaces it, long before nginx is reloaded."""
    fake.life = SHORT
    with Origin(workdir, bucket, fake, use, workers=1) as origin:
        origin.ready()
        fake.served.add(getattr(fake, attribute))
        setattr(fake, attribute, "another-" + getattr(fake, attribute))
        (workdir / name).write_text(getattr(fake, attribute))
        fetched = fake.fetches()
        wait_until(lambda: fake.fetches() >= fetched + 2)
        assert origin.get(key).status == 404


def test_token_file_that_is_away(fake, bucket, workdir, key):
    fake.life = SHORT
    with Origin(workdir, bucket, fake, use_web_identity, workers=1) as origin:
        origin.ready()
        (workdir / "identity").unlink()
        wait_until(lambda: "identity\" failed" in origin.read_log())
        (workdir / "identity").write_text(fake.identity)
        wait_until(lambda: origin.get(key).status == 404)


@pytest.mark.parametrize("use, words", [
    (use_container, "answered 401 AccessDenied"),
    (use_web_identity, "answered 400 InvalidIdentityToken")])
def test_code_of_a_refusal_is_logged(use, words, fake, bucket, workdir, key):
    """Its message is not: these quote what they were sent."""
    directive, variables = use(fake, workdir)
    fake.served |= {fake.authorization, fake.identity}
    fake.authorization = fake.identity = "another"
    with Origin(workdir, bucket, fake, lambda *_: (directive, variables),
                workers=1) as origin:
        wait_until(lambda: words in origin.read_log())
        assert origin.get(key).status == 503


def test_reload_takes_a_changed_file(fake, keys, bucket, workdir, key):
    access, secret = keys.create()
    with Origin(workdir, bucket, fake, use_file) as origin:
        assert origin.put(key, b"abc").status == 201
        path = workdir / "shared-profiles"
        path.write_text(path.read_text().replace(fake.access, access)
                        .replace(fake.secret, secret))
        fake.served.add(secret)
        origin.reload()
        assert origin.get(key).status == 200
        keys.remove(access)
        assert origin.get(key).status == 502


def test_locations_share_what_they_inherit(fake, bucket, workdir, key):
    directive, _ = use_imds(fake, workdir)
    with Nginx(workdir / "nginx", bucket, workers=1, server=f"""
            location /one/ {{
                content_s3_credentials {directive};
                content s3;
                location /one/two/ {{
                    content s3;
                }}
            }}""") as origin:
        wait_until(lambda: origin.get("/one/two/x").status == 404)
        assert origin.put("/one" + key, b"abc").status == 201
        assert origin.get("/one" + key).status == 200
        assert fake.fetches() == 1


@each_fetched
def test_new_workers_start_with_what_is_there(use, fake, bucket, workdir,
                                              key):
    """A reload fails no request, even while the endpoint is down."""
    with Origin(workdir, bucket, fake, use) as origin:
        origin.ready()
        assert origin.put(key, b"abc").status == 201
        fake.stop()

        failed, ended = [], threading.Event()

        def ask():
            while not ended.is_set():
                answer = origin.get(key)
                if answer.status != 200:
                    failed.append(answer)

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for thread in asking:
            thread.start()
        for _ in range(3):
            origin.reload()
        ended.set()
        for thread in asking:
            thread.join()

        assert not failed
        assert origin.put(key, b"abc").status == 204


def test_worker_that_died_is_replaced(fake, bucket, workdir, key):
    with Origin(workdir, bucket, fake, use_imds, workers=1) as origin:
        origin.ready()
        fake.stop()
        origin.kill_worker(origin.workers()[0])
        assert origin.get(key).status == 404


def test_another_source_has_its_own(fake, bucket, workdir, key):
    """What was fetched from one endpoint is not used for another."""
    with Origin(workdir, bucket, fake, use_imds, workers=1) as origin, \
         Endpoints(fake.access, fake.secret) as other:
        origin.ready()
        other.fault = 500
        directive, _ = use_imds(other, workdir)
        origin.write(location="content s3;"
                     f"content_s3_credentials {directive};")
        origin.reload()
        assert origin.get(key).status == 503
        other.fault = None
        wait_until(lambda: origin.get(key).status == 404)


class Recorder(http.server.BaseHTTPRequestHandler):
    """An S3 server that keeps the headers it was sent."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.server.requests.append((self.command, dict(self.headers)))
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.send_response(200)
        self.send_header("ETag", '"abc"')
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = answer

    def log_message(self, *args):
        pass


@each
def test_session_token_is_sent_and_signed(use, fake, bucket, workdir, key):
    """The S3 server of the tests takes any."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.daemon_threads = True
    server.requests = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    through = bucket.through(f"http://127.0.0.1:{server.server_address[1]}")
    try:
        with Origin(workdir, through, fake, use) as origin:
            wait_until(lambda: all(origin.get(key).status == 200
                                   for _ in range(8)))
            assert origin.put(key, b"abc").status == 204
    finally:
        server.shutdown()
        server.server_close()
    assert {method for method, _ in server.requests} == {"GET", "HEAD", "PUT"}
    for method, headers in server.requests:
        assert headers["x-amz-security-token"] == SESSION_TOKEN, method
        assert "x-amz-security-token" in headers["Authorization"], method
        assert f"Credential={fake.access}/" in headers["Authorization"]


@each_fetched
def test_debug_log_has_no_secret(use, fake, bucket, workdir, key):
    """Not even that; check_log() of Origin looks for them."""
    fake.life = SHORT
    with Origin(workdir, bucket, fake, use, level="debug") as origin:
        serves(origin.ready(), key)
        wait_until(lambda: fake.fetches() >= 3)


BAD = [
    ("nothing", "magic", {}, ["takes"]),
    ("more than env", "env x", {}, ["env"]),
    ("env without keys", "env", {"AWS_ACCESS_KEY_ID": "a"},
     ["AWS_SECRET_ACCESS_KEY"]),
    ("a key with a line break", "env",
     {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "se\ncret"},
     ["AWS_SECRET_ACCESS_KEY"]),
    ("file without a path", "file", {}, ["file PATH"]),
    ("file that is not there", "file /nowhere", {}, ["/nowhere"]),
    ("file with another parameter", "file /nowhere name=x", {},
     ["profile=NAME"]),
    ("endpoint without a scheme", "imds endpoint=127.0.0.1", {},
     ["endpoint=URL"]),
    ("endpoint of another kind", "imds sts=http://127.0.0.1", {},
     ["endpoint=URL"]),
    ("no container", "container", {},
     ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]),
    ("container's path", "container",
     {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "v2/x"}, ["begin with"]),
    ("container elsewhere", "container",
     {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.org/x"},
     ["https"]),
    ("more than container", "container x", {}, ["container"]),
    ("no role", "web_identity", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/x"},
     ["AWS_ROLE_ARN"]),
    ("no identity", "web_identity",
     {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"},
     ["AWS_WEB_IDENTITY_TOKEN_FILE"]),
    ("STS without a scheme", "web_identity sts=x",
     {"AWS_ROLE_ARN": "a", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}, ["sts=URL"]),
]


@pytest.mark.parametrize("name, directive, variables, words", BAD,
                         ids=[row[0] for row in BAD])
def test_mistake_is_told(name, directive, variables, words, workdir):
    nginx = Nginx(workdir, start=False, environment=variables)
    nginx.write(location=f"content_s3_credentials {directive}; content file;")
    fine, said = nginx.test()
    assert not fine
    assert "content_s3_credentials" in said
    for word in words:
        assert word in said
    assert "se\ncret" not in said


GOOD = [
    ("imds", {}),
    ("container", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}),
    ("container",
     {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://example.org/x"}),
    ("web_identity",
     {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
      "AWS_WEB_IDENTITY_TOKEN_FILE": "/x", "AWS_REGION": "eu-west-1",
      "AWS_ROLE_SESSION_NAME": "me"}),
]


@pytest.mark.parametrize("directive, variables", GOOD)
def test_configuration_asks_nobody(directive, variables, workdir):
    """nginx -t neither needs the endpoint nor the token's file."""
    nginx = Nginx(workdir, start=False, environment=variables)
    nginx.write(location=f"content_s3_credentials {directive}; content file;")
    fine, said = nginx.test()
    assert fine, said


# The fakes, as AWS's own client sees them

def test_fake_imds_serves_aws_client(fake):
    fetcher = botocore.utils.InstanceMetadataFetcher(
        base_url=fake.url + "/", num_attempts=1)
    got = fetcher.retrieve_iam_role_credentials()
    assert got["access_key"] == fake.access
    assert got["secret_key"] == fake.secret
    assert got["token"] == fake.token
    assert [c[1] for c in fake.calls] == ["PUT", "GET", "GET"]


def test_fake_container_serves_aws_client(fake):
    fetcher = botocore.utils.ContainerMetadataFetcher(sleep=lambda _: None)
    got = fetcher.retrieve_full_uri(
        fake.url + CONTAINER_PATH,
        headers={"Authorization": fake.authorization})
    assert got["SecretAccessKey"] == fake.secret


def test_fake_sts_serves_aws_client(fake):
    client = botocore.session.Session().create_client(
        "sts", region_name="us-east-1", endpoint_url=fake.url,
        aws_access_key_id="x", aws_secret_access_key="y")
    got = client.assume_role_with_web_identity(
        RoleArn=fake.role_arn, RoleSessionName="test",
        WebIdentityToken=fake.identity)
    assert got["Credentials"]["SecretAccessKey"] == fake.secret
    with pytest.raises(client.exceptions.InvalidIdentityTokenException):
        client.assume_role_with_web_identity(
            RoleArn=fake.role_arn, RoleSessionName="test",
            WebIdentityToken="wrong")


def test_fake_imds_refuses_version_1(fake):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(fake.url + "/latest/meta-data/iam/"
                               "security-credentials/")
    assert refused.value.code == 401
