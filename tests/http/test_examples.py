"""The configurations in conf/, with nothing changed but what is marked CHANGE
and where things lie on this machine: nginx takes them, and they do what their
comments say."""

import json
import re
import subprocess

import pytest

from harness import EDITOR, MODULE, ROOT, Nginx, wait_until
from redis_server import Redis

MEDIA, UPLOAD = "media.example.com", "upload.example.com"


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path / "redis", password="secret-1") as server:
        yield server


class Example(Nginx):
    """conf/NAME; `changes` are rows of (regular expression, what is there
    instead)."""

    def __init__(self, workdir, name, store, redis, fake, *changes):
        self.example, self.changes = ROOT / "conf" / name, changes
        self.redis, self.fake = redis, fake
        fake.reset("free")
        super().__init__(workdir, store)

    def write(self):
        place = self.dir / "secret"
        self.tokens.rename(place / "tokens")
        (place / "redis-password").write_text("secret-1\n")
        (place / "cloudflare-token").write_text(self.fake.token + "\n")
        (place / "cloudflare-realip.conf").write_text(
            (ROOT / "conf/cloudflare-realip.conf").read_text())
        for name in ("media", "upload"):
            certificate(place / f"{name}.pem", place / f"{name}.key",
                        f"{name}.example.com")

        text = self.example.read_text()
        for pattern, instead in [
                (r"modules/ngx_content_module\.so", f'"{MODULE}"'),
                ("user www-data;", "daemon off; " + self.settings["user"]),
                (r"/run/nginx\.pid", f"{self.dir}/nginx.pid"),
                ("/var/log/nginx", str(self.dir)),
                ("/etc/nginx/content", str(place)),
                ("worker_processes auto", "worker_processes 2"),
                ("worker_rlimit_nofile 65536", "worker_rlimit_nofile 8192"),
                ("worker_connections 8192", "worker_connections 1024"),
                (r"(content_memory) \w+;", r"\1 16m;"),
                (r"content_redis [\d.]+:6379;",
                 f"content_redis {self.redis.address};"),
                ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
                (r"content_purge_zone_id \w+;",
                 f"content_purge_zone_id {self.fake.zone};"
                 f"content_purge_api {self.fake.api};"),
                (r" *listen \[::\]:443 ssl http2;\n", ""),
                *self.changes]:
            text, found = re.subn(pattern, instead, text)
            assert found, pattern
        self.conf.write_text(text)

    def ask(self, host, path, *options, token=None):
        """By curl over HTTP/2: (status, headers, body)."""
        pem = self.dir / f"secret/{host.partition('.')[0]}.pem"
        if token:
            options = [*options, "-H", f"Authorization: Bearer {token}"]
        done = subprocess.run(
            ["curl", "-s", "-i", "--cacert", pem, "--resolve",
             f"{host}:{self.port}:127.0.0.1", *options,
             f"https://{host}:{self.port}{path}"],
            capture_output=True, check=True, timeout=30)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        assert line.startswith("HTTP/2 "), line
        return (int(line.split()[1]),
                dict(field.lower().split(": ", 1) for field in fields), body)


def certificate(pem, key, name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", key, "-out", pem], check=True, capture_output=True)


def serves(node):
    """Editors write by one name, everybody reads by the other."""
    put = ("-T", node.conf)
    wait_until(lambda: node.ask(UPLOAD, "/first", *put, token=EDITOR)[0] == 201,
               what="writes to be taken")
    assert node.ask(UPLOAD, "/a", *put, token=EDITOR)[0] == 201
    assert node.ask(UPLOAD, "/a", *put)[0] == 401
    assert node.ask(UPLOAD, "/a")[0] == 401

    status, headers, body = node.ask(MEDIA, "/a")
    assert (status, body) == (200, node.conf.read_bytes())
    assert headers["cache-control"] == "public, max-age=0"
    assert "max-age=86400" in headers["cdn-cache-control"]

    for options in (put, ("-X", "DELETE"), ("-X", "COPY")):
        assert node.ask(MEDIA, "/a", *options, token=EDITOR)[0] == 403
    for path in ("/-/status", "/-/purge", "/-/list"):
        assert node.ask(MEDIA, path, token=EDITOR)[0] == 404
        assert node.ask(MEDIA, path, *put, token=EDITOR)[0] == 404

    assert node.ask(UPLOAD, "/-/status", token=EDITOR)[0] == 200
    status, headers, _ = node.ask(UPLOAD, "/a", "-X", "DELETE", token=EDITOR)
    assert status == 204
    assert node.ask(MEDIA, "/a")[0] == 404

    job = headers["x-content-purge"]
    wait_until(lambda: json.loads(node.ask(UPLOAD, job, token=EDITOR)[2])[
        "state"] == "done", what="the CDN to be purged")


def test_one_node(tmp_path, redis, fake):
    files = tmp_path / "objects"
    files.mkdir()
    with Example(tmp_path / "n", "nginx.conf", "file", redis, fake,
                 ("/var/lib/content", str(files))) as node:
        serves(node)


def test_one_of_several_nodes(tmp_path, redis, fake, bucket):
    with Example(tmp_path / "n", "fleet.conf", bucket, redis, fake,
                 (r"(content_s3_endpoint) .*;", rf"\1 {bucket.endpoint};"),
                 (r"(content_s3_bucket) .*;", rf"\1 {bucket.name};"),
                 (r"(content_s3_region) .*;", r"\1 us-east-1;"),
                 (r"(content_s3_style) .*;", r"\1 path;")) as node:
        serves(node)


def test_site_of_pages(tmp_path, redis, fake):
    """conf/site.conf, in place of the locations of nginx.conf's first
    server."""
    files = tmp_path / "objects"
    files.mkdir()
    with Example(tmp_path / "n", "nginx.conf", "file", redis, fake,
                 ("/var/lib/content", str(files)),
                 (r"(?s)(content_anonymous read;).*?(    }\n\n    # What)",
                  rf"\1 include {ROOT}/conf/site.conf;\n\2")) as node:
        page = ("-T", node.conf)

        def put(path):
            return node.ask(UPLOAD, path, *page, token=EDITOR)[0]
        for path in ("/index.html", "/a%20b/index.html", "/404.html"):
            assert put(path) == 201
        pages = [node.ask(MEDIA, path) for path in (
            "/", "/index.html", "/a%20b/", "/a%20b/index.html")]
        assert {status for status, _, _ in pages} == {200}
        tags = [headers["cache-tag"] for _, headers, _ in pages]
        assert tags[0] == tags[1] != tags[2] == tags[3]

        for path in ("/none", "/none/"):
            status, headers, body = node.ask(MEDIA, path)
            assert (status, body) == (404, node.conf.read_bytes())
            assert headers["cache-control"] == "no-store"
        for path in ("/", "/index.html"):
            assert node.ask(MEDIA, path, *page, "-H", "Expect:", "-X", "PUT",
                            token=EDITOR)[0] == 403
        for path in ("/-/", "/-/status", "/-/list/"):
            assert node.ask(MEDIA, path, token=EDITOR)[0] == 404
