"""The configuration: a mistake is told at the start, with the directive's
name; a reload changes what it should and nothing else; secrets stay secret.
"""

import concurrent.futures
import hashlib
import re
import signal

import pytest

import edge
from harness import (EDITOR, ROOT, Nginx, problem, token_line, wait_until,
                     write_tokens)
from redis_server import Redis

HASH = hashlib.sha256(b"t").hexdigest()

FILE = "content_file_root {dir}/files;"
S3 = ("content_s3_endpoint http://127.0.0.1:1; content_s3_bucket b;"
      "content_s3_credentials file {dir}/secret/aws;")
PURGE = ("content_purge cloudflare; content_purge_zone_id z;"
         "content_purge_token file {dir}/secret/token;")


def without(text, name):
    return ";".join(part for part in text.split(";") if name not in part)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """An nginx that is not started, with files for its directives."""
    nginx = Nginx(tmp_path_factory.mktemp("conf"), start=False,
                  environment={"EMPTY": "", "LONG": "x" * 5000,
                               "A_SECRET": "s"})
    secret = nginx.dir / "secret"
    (secret / "aws").write_text("[default]\naws_access_key_id=A\n"
                                "aws_secret_access_key=B\n[half]\n"
                                "aws_access_key_id=A\n")
    (secret / "token").write_text("abc\n")
    (secret / "empty").write_text("\n")
    (nginx.dir / "garbage.pem").write_text("no certificate")
    return nginx


def check(nginx, http="", server=FILE, location="content file;"):
    """nginx -t with these directives."""
    nginx.write(**{name: text.replace("{dir}", str(nginx.dir))
                   for name, text in (("http", http), ("server", server),
                                      ("location", location))})
    return nginx.test()


BAD = [
    # what, where, directives, words of the message
    ("no root", "server", "", ["content file", "content_file_root"]),
    ("root that can't be made", "server",
     "content_file_root /proc/nothing/here;", ["content_file_root", "mkdir"]),
    ("root twice", "server", FILE * 2, ["content_file_root", "duplicate"]),
    ("unknown store", "location", "content ftp;", ["content", "ftp"]),
    ("store twice", "location", "content file; content file;",
     ["content", "duplicate"]),
    ("store without a name", "location", "content;", ["content"]),
    ("store for a server", "server", FILE + "content file;",
     ['"content"', "not allowed"]),
    ("no endpoint", "s3", without(S3, "endpoint"),
     ["content s3", "content_s3_endpoint"]),
    ("no bucket", "s3", without(S3, "bucket"),
     ["content s3", "content_s3_bucket"]),
    ("no credentials", "s3", without(S3, "credentials"),
     ["content s3", "content_s3_credentials"]),
    ("endpoint of another scheme", "s3",
     S3.replace("http://", "ftp://"), ["content_s3_endpoint"]),
    ("endpoint without a scheme", "s3", S3.replace("http://", ""),
     ["content_s3_endpoint"]),
    ("endpoint with a path", "s3", S3.replace(":1;", ":1/bucket;"),
     ["content_s3_endpoint", "content_s3_bucket"]),
    ("endpoint's port", "s3", S3.replace(":1;", ":99999;"),
     ["content_s3_endpoint"]),
    ("endpoint that is not found", "s3",
     S3.replace("127.0.0.1", "no.such.host.invalid"),
     ["no.such.host.invalid"]),
    ("endpoints of two schemes", "s3",
     S3 + "content_s3_endpoint https://127.0.0.1:2;",
     ["content_s3_endpoint", "scheme"]),
    ("no tries", "s3", S3 + "content_s3_tries 0;", ["content_s3_tries"]),
    ("endpoint twice", "s3", S3 + "content_s3_endpoint http://127.0.0.1:1;",
     ["content_s3_endpoint", "duplicate"]),
    # nginx's own words for an unknown value: it and the line
    ("style", "s3", S3 + "content_s3_style host;", ["host", "nginx.conf:"]),
    ("probe", "s3", S3 + "content_s3_probe write;", ["write", "nginx.conf:"]),
    ("payload", "s3", S3 + "content_s3_sign_payload never;",
     ["never", "nginx.conf:"]),
    ("payload twice", "s3", S3 + "content_s3_sign_payload on;"
     "content_s3_sign_payload off;", ["content_s3_sign_payload", "duplicate"]),
    ("part size", "s3", S3 + "content_s3_part_size 4m;",
     ["content_s3_part_size", "5m"]),
    ("part size, too large", "s3", S3 + "content_s3_part_size 5121m;",
     ["content_s3_part_size", "5120m"]),
    ("parts", "s3", S3 + "content_s3_max_parts 1;",
     ["content_s3_max_parts", "10000"]),
    ("parts, too many", "s3", S3 + "content_s3_max_parts 10001;",
     ["content_s3_max_parts", "10000"]),
    ("copy part size", "s3", S3 + "content_s3_copy_part_size 4m;",
     ["content_s3_copy_part_size", "5m"]),
    ("copy part size, too large", "s3", S3 + "content_s3_copy_part_size 6g;",
     ["content_s3_copy_part_size", "5g"]),
    ("part size, no size", "s3", S3 + "content_s3_part_size big;",
     ["content_s3_part_size"]),
    ("S3 timeout", "s3", S3 + "content_s3_timeout soon;",
     ["content_s3_timeout"]),
    ("S3 connect timeout", "s3", S3 + "content_s3_connect_timeout -1;",
     ["content_s3_connect_timeout"]),
    ("credentials of neither kind", "s3",
     S3.replace("credentials file", "credentials text"),
     ["content_s3_credentials"]),
    ("credentials not in the environment", "s3",
     without(S3, "credentials") + "content_s3_credentials env;",
     ["content_s3_credentials", "AWS_ACCESS_KEY_ID"]),
    ("credentials' file is missing", "s3", S3.replace("secret/aws", "none"),
     ["content_s3_credentials", "none"]),
    ("credentials' profile is missing", "s3",
     S3.replace("/aws;", "/aws profile=x;"),
     ["content_s3_credentials", "profile"]),
    ("half a profile", "s3", S3.replace("/aws;", "/aws profile=half;"),
     ["content_s3_credentials", "profile"]),
    ("credentials' last word", "s3", S3.replace("/aws;", "/aws default;"),
     ["content_s3_credentials", "profile"]),
    ("CA file is missing", "s3",
     S3.replace("http://", "https://") + "content_s3_ca_file {dir}/none;",
     ["content_s3_ca_file"]),
    ("CA file is none", "s3",
     S3.replace("http://", "https://")
     + "content_s3_ca_file {dir}/garbage.pem;", ["content_s3_ca_file"]),
    ("zone too small", "http", "content_zone 1m;", ["content_zone", "4m"]),
    ("zone, no size", "http", "content_zone much;", ["content_zone"]),
    ("zone for a server", "server", FILE + "content_zone 8m;",
     ["content_zone", "not allowed"]),
    ("memory of uploads, no size", "http", "content_upload_memory much;",
     ["content_upload_memory", "size"]),
    ("memory of uploads twice", "http", "content_upload_memory 64m;" * 2,
     ["content_upload_memory", "duplicate"]),
    ("memory of uploads, second word", "http",
     "content_upload_memory 64m wait=1s;",
     ["content_upload_memory", "patience="]),
    ("memory of uploads, no time", "http",
     "content_upload_memory 64m patience=soon;",
     ["content_upload_memory", "patience"]),
    ("memory of uploads, less than a part", "http",
     "content_upload_memory 512k;",
     ["content_upload_memory", "524288", "1048576"]),
    ("memory of uploads for a server", "server",
     FILE + "content_upload_memory 64m;",
     ["content_upload_memory", "not allowed"]),
    ("thread pool", "http", "content_thread_pool none;", ['"none"']),
    ("Redis for a server", "server", FILE + "content_redis 127.0.0.1;",
     ["content_redis", "not allowed"]),
    ("Redis's port", "http", "content_redis 127.0.0.1:99999;",
     ["content_redis"]),
    ("Redis's host", "http", "content_redis no.such.host.invalid;",
     ["content_redis", "no.such.host.invalid"]),
    ("Redis's db", "http", "content_redis 127.0.0.1 db=x;",
     ["content_redis", "db=x"]),
    ("Redis's prefix", "http", "content_redis 127.0.0.1 'prefix={a}';",
     ["content_redis", "prefix="]),
    ("Redis's parameter", "http", "content_redis 127.0.0.1 tls=1;",
     ["content_redis", "tls=1"]),
    ("Redis twice", "http", "content_redis 127.0.0.1;" * 2,
     ["content_redis", "duplicate"]),
    ("Redis's password, variable", "http",
     "content_redis_password env NOT_SET;",
     ["content_redis_password", "NOT_SET"]),
    ("Redis's password, file", "http",
     "content_redis_password file {dir}/none;",
     ["content_redis_password", "none"]),
    ("Redis's password, empty file", "http",
     "content_redis_password file {dir}/secret/empty;",
     ["content_redis_password", "empty"]),
    ("Redis's password, empty variable", "http",
     "content_redis_password env EMPTY;", ["content_redis_password"]),
    ("Redis's password, long variable", "http",
     "content_redis_password env LONG;",
     ["content_redis_password", "too long"]),
    ("Redis's timeout", "http", "content_redis_timeout x;",
     ["content_redis_timeout"]),
    ("hits=0", "http", "content_hot hits=0;", ["content_hot", "hits=0"]),
    ("hits=256", "http", "content_hot hits=256;",
     ["content_hot", "hits=256"]),
    ("hits=x", "http", "content_hot hits=x;", ["content_hot", "hits=x"]),
    ("window=0", "http", "content_hot window=0;", ["content_hot", "window"]),
    ("size=0", "http", "content_hot size=0;", ["content_hot", "size=0"]),
    ("size=1g", "http", "content_hot size=1g;", ["content_hot", "size=1g"]),
    ("ttl=x", "http", "content_hot hits=2 ttl=x;", ["content_hot", "ttl=x"]),
    ("on", "http", "content_hot on;", ["content_hot", "on"]),
    ("fresh=x", "http", "content_fresh x;", ["content_fresh", "x"]),
    ("error=x", "http", "content_fresh 1m error=x;",
     ["content_fresh", "error=x"]),
    ("another parameter", "http", "content_fresh 1m present=1m;",
     ["content_fresh", "present=1m"]),
    ("longer than the ttl", "http", "content_fresh 2m; content_hot ttl=1m;",
     ["content_fresh", "120000ms", "ttl", "60000ms"]),
    ("off and more", "http", "content_hot off hits=2;", ["content_hot"]),
    ("hot twice", "http", "content_hot hits=2; content_hot hits=3;",
     ["content_hot", "duplicate"]),
    ("cache control, two words", "http",
     "content_cache_control public max-age=0;", ["content_cache_control"]),
    ("cache control, a line end", "http",
     'content_cache_control "a\\nSet-Cookie: b";', ["content_cache_control"]),
    ("CDN cache control, a line end", "http",
     'content_cdn_cache_control "a\\r\\nb";', ["content_cdn_cache_control"]),
    ("anonymous write", "server", FILE + "content_anonymous write;",
     ["write", "nginx.conf:"]),
    ("no tokens file", "server", FILE + "content_tokens {dir}/none;",
     ["content_tokens", "none"]),
    ("tokens twice", "server", FILE + "content_tokens {dir}/tokens;" * 2,
     ["content_tokens", "duplicate"]),
    ("unknown CDN", "server", FILE + "content_purge fastly;",
     ["fastly", "nginx.conf:"]),
    ("no zone", "server", FILE + without(PURGE, "zone"),
     ["content_purge", "content_purge_zone_id"]),
    ("no token", "server", FILE + without(PURGE, "token"),
     ["content_purge", "content_purge_token"]),
    ("token's file", "server", FILE + PURGE.replace("secret/token", "none"),
     ["content_purge_token", "none"]),
    ("token's file is empty", "server",
     FILE + PURGE.replace("secret/token", "secret/empty"),
     ["content_purge_token", "empty"]),
    ("token's variable", "server",
     FILE + "content_purge_token env NOT_SET;",
     ["content_purge_token", "NOT_SET"]),
    ("API", "server", FILE + PURGE + "content_purge_api api.example.com;",
     ["content_purge_api", "api.example.com"]),
    ("plan", "server", FILE + "content_purge_plan gold;",
     ["content_purge_plan", "gold"]),
    ("action", "server", FILE + "content_purge_action soft;",
     ["soft", "nginx.conf:"]),
    ("purge by", "server", FILE + "content_purge_by hosts;",
     ["content_purge_by"]),
    ("purge by urls", "server", FILE + "content_purge_by urls;",
     ["content_purge_by"]),
    ("purge by urls of no site", "server",
     FILE + "content_purge_by urls www.example.com;", ["content_purge_by"]),
    ("purge timeout", "server", FILE + "content_purge_timeout x;",
     ["content_purge_timeout"]),
]


@pytest.mark.parametrize("name, where, text, words", BAD,
                         ids=[b[0] for b in BAD])
def test_mistake_names_its_directive(prepared, name, where, text, words):
    if where == "s3":
        fine, said = check(prepared, server=text, location="content s3;")
    else:
        fine, said = check(prepared, **{where: text})
    assert not fine, said
    emerg = [line for line in said.splitlines() if "[emerg]" in line]
    assert any(all(word in line for word in words) for line in emerg), said


GOOD = [
    ("nothing set", "http", ""),
    ("off", "location", "content off;"),
    ("endpoint by its name", "s3",
     S3.replace("127.0.0.1", "localhost") + "content_s3_style virtual;"),
    ("all of S3", "s3", S3.replace("http://", "https://")
     + "content_s3_region eu-west-1; content_s3_part_size 16m;"
       "content_s3_connect_timeout 1s; content_s3_timeout 2s;"
       "content_s3_sign_payload auto;"),
    ("all of Redis", "http",
     "content_redis 127.0.0.1:6380 db=3 prefix=a:;"
     "content_redis_password env A_SECRET; content_redis_timeout 1s;"),
    ("Redis's socket", "http", "content_redis unix:/tmp/a;"),
    ("hot", "http", "content_hot hits=3 window=10s size=1m ttl=1d;"),
    ("not hot", "location", "content file; content_hot off;"),
    ("all of purge", "server", FILE + PURGE
     + "content_purge_api https://localhost/v4/; content_purge_plan pro;"
       "content_purge_action invalidate; content_purge_timeout 3s;"
       "content_purge_by urls https://www.example.com/;"),
    ("cache headers", "http", 'content_cache_control "max-age=1";'
                              'content_cdn_cache_control "";'),
    ("zone", "http", "content_zone 4m;"),
]


@pytest.mark.parametrize("setting, rest", [
    ("content_memory", "max=1025k"), ("content_memory", "max=3m"),
    ("content_memory", ""), ("content_zone", "")])
def test_zone_that_is_too_small_is_told_the_least_size(tmp_path, setting,
                                                       rest):
    def test(size):
        nginx = Nginx(tmp_path / size, http=f"{setting} {size} {rest};",
                      start=False)
        return nginx.test()

    fine, said = test("1m")
    assert not fine
    least = re.search(rf'"{setting}" must be at least (\d+)m', said)[1]
    assert test(f"{least}m")[0]
    assert not test(f"{int(least) - 1}m")[0]


@pytest.mark.parametrize("name, where, text", GOOD, ids=[g[0] for g in GOOD])
def test_what_is_right_is_taken(prepared, name, where, text):
    if where == "s3":
        fine, said = check(prepared, server=text, location="content s3;")
    else:
        fine, said = check(prepared, **{where: text})
    assert fine, said


@pytest.mark.parametrize("name, line", [
    ("no hash", "bob"), ("other hash", f"bob md5:{HASH} read /"),
    ("short hash", f"bob sha256:{HASH[:-1]} read /"),
    ("no hex", f"bob sha256:{HASH[:-1]}g read /"),
    ("no rights", f"bob sha256:{HASH}"),
    ("unknown right", f"bob sha256:{HASH} read,fly /"),
    ("no prefix", f"bob sha256:{HASH} read"),
    ("prefix without a slash", f"bob sha256:{HASH} read news/"),
    ("name", f"b/b sha256:{HASH} read /"),
    ("same hash again", f"bob sha256:{'0' * 64} read /")])
def test_mistake_in_the_tokens_names_its_line(prepared, name, line):
    path = prepared.dir / "bad-tokens"
    path.write_text(f"# a comment\n\nann sha256:{'0' * 64} read /\n{line}\n"
                    f"eve sha256:{'1' * 64} read /\n")
    fine, said = check(prepared,
                       server=FILE + "content_tokens {dir}/bad-tokens;")
    assert not fine
    assert "content_tokens" in said and "line 4" in said


def test_tokens_may_have_comments_tabs_and_windows_lines(prepared):
    (prepared.dir / "odd-tokens").write_text(
        f"# one\r\n\r\n  ann \t sha256:{HASH.upper()}  read,write /a/ /b/ \r\n"
        f"bob sha256:{'0' * 64} admin /")
    fine, said = check(prepared,
                       server=FILE + "content_tokens {dir}/odd-tokens;")
    assert fine, said


@pytest.mark.parametrize("text", [
    "content_purge_token hunter2 hunter2;", "content_purge_token hunter2;",
    "content_redis_password hunter2 hunter2;",
    "content_redis_password hunter2;", "content_s3_credentials hunter2;",
    "content_s3_credentials hunter2 hunter2;"])
def test_secret_in_the_wrong_place_is_not_repeated(prepared, text):
    where = "http" if "redis" in text else "server"
    fine, said = check(prepared, **{where: FILE + text})
    assert not fine
    assert "hunter2" not in said


# Levels

def test_inner_level_wins(tmp_path):
    with Nginx(tmp_path / "n", http='content_cache_control "max-age=1";',
               server='content_cdn_cache_control "max-age=2";',
               location='content_cdn_cache_control "max-age=3";') as origin:
        origin.put("/a", b"x")
        answer = origin.get("/a")
        assert answer.headers["Cache-Control"] == "max-age=1"
        assert answer.headers["CDN-Cache-Control"] == "max-age=3"


def test_store_is_not_inherited(tmp_path):
    with Nginx(tmp_path / "n", location="""
               location /static/ { return 200 static; }
               location /empty/ { }""") as origin:
        assert origin.put("/a", b"x").status == 201
        assert origin.get("/static/a").body == b"static"
        assert origin.put("/empty/a", b"x").status == 405
        assert origin.list()["objects"][0]["key"] == "a"


def test_two_locations_have_two_roots(tmp_path):
    with Nginx(tmp_path / "n", server="""
               location /img/ { content file;
                                content_file_root files2; }""") as origin:
        origin.put("/img/a", b"in img")
        origin.put("/a", b"in root")
        assert origin.get("/img/a").body == b"in img"
        assert [o["key"] for o in origin.list()["objects"]] == ["a"]
        assert (origin.dir / "files2/objects").is_dir()


def test_file_store_and_s3_live_side_by_side(tmp_path, bucket):
    with Nginx(tmp_path / "n", bucket, server=f"""
               location /local/ {{ content file;
                   content_file_root {tmp_path}/local; }}""") as origin:
        origin.put("/local/a", b"file")
        origin.put("/remote/a", b"s3")
        assert bucket.keys() == ["remote/a"]
        for path, body, store in (("/local/a", b"file", "file"),
                                  ("/remote/a", b"s3", "s3")):
            answer = origin.get(path)
            assert answer.body == body
            assert f"detail={store}" in answer.headers["Cache-Status"]


def test_without_content_the_module_does_nothing(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        origin.write(location="return 404;")
        origin.reload()
        answer = origin.get("/a")
        assert answer.headers["Content-Type"] == "text/html"


# Reload

def test_reload_reads_the_tokens_again(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        write_tokens(origin.tokens, [("new", "new-token", "write", "/")])
        assert origin.put("/a", b"1").status == 201     # not yet
        origin.reload()
        assert origin.put("/a", b"2").status == 401
        assert origin.put("/a", b"2", token="new-token").status == 204


def test_reload_with_a_mistake_keeps_the_old_configuration(tmp_path):
    with Nginx(tmp_path / "n", expect=[r"\[emerg\].*line 1"]) as origin:
        good = origin.tokens.read_text()
        origin.tokens.write_text("nonsense\n")
        origin.send(1)
        wait_until(lambda: "line 1" in origin.read_log())
        assert origin.put("/a", b"1").status == 201
        origin.tokens.write_text(good)
        origin.reload()
        assert origin.put("/a", b"2").status == 204


def test_reload_drops_no_request(store, tmp_path):
    with Nginx(tmp_path / "n", store) as origin:
        origin.put("/reload", b"x" * 100_000)

        def ask():
            answers, done = [], False
            while not done:
                done = stop.done()
                answers.append((origin.get("/reload").status,
                                origin.put("/reload", b"x" * 100_000).status))
            return answers

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            stop = concurrent.futures.Future()
            askers = [pool.submit(ask) for _ in range(3)]
            try:
                for _ in range(3):
                    origin.reload()
            finally:
                stop.set_result(None)
            for asker in askers:
                assert set(asker.result()) == {(200, 204)}


def test_reload_keeps_counters_and_jobs(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        origin.put("/a", b"x")
        job = origin.post("/-/purge", {"tags": ["a"]}).headers["Location"]
        origin.reload()
        assert origin.counters()["node"]["puts"] == 1
        assert origin.job(job)["state"] == "done"


def test_objects_outlive_nginx(tmp_path, store):
    with Nginx(tmp_path / "n", store) as origin:
        origin.put("/outlive", b"x" * 2_000_000, cache_tag="t")
        etag = origin.get("/outlive").headers["ETag"]
    with Nginx(tmp_path / "n", store) as origin:
        answer = origin.get("/outlive")
        assert answer.body == b"x" * 2_000_000
        assert answer.headers["ETag"] == etag
        assert answer.headers["Cache-Tag"].endswith(",t")


def test_two_nginxes_share_a_file_root(tmp_path):
    with Nginx(tmp_path / "a") as one:
        with Nginx(tmp_path / "b", start=False) as two:
            two.write(server=two.settings["server"].replace(
                str(two.files), str(one.files)))
            two.start()
            one.put("/a", b"1")
            assert two.get("/a").body == b"1"
            two.put("/a", b"2")
            assert one.get("/a").body == b"2"


# Secrets

def test_secrets_are_never_logged(tmp_path, bucket):
    password = "redis-Passw0rd-9c1e"
    with Redis(tmp_path / "redis", password=password) as redis, \
         edge.start_fake_cloudflare() as fake, \
         Nginx(tmp_path / "n", bucket, redis=redis, purge=fake,
               level="debug", http="content_redis_password file "
               f"{tmp_path}/password;", start=False) as origin:
        (tmp_path / "password").write_text(password + "\n")
        origin.start()
        fake.fault(status=500)
        for body in (b"1", b"2", b"x" * 12_000_000):
            origin.put("/secret", body)
        origin.put("/hot", b"x")
        for _ in range(6):
            origin.get("/secret")
            origin.get("/hot")
        origin.get("/absent")
        origin.put("/denied", b"", token="a-wrong-token")
        origin.delete("/secret")
        origin.list()
        fake.calls(least=2)
        wait_until(lambda: not origin.counters()["purge"]["pending"])
        assert origin.counters()["redis"]["hits"]
        origin.reload()
        fake.fault(status=403)
        origin.put("/secret", b"1")
        origin.put("/secret", b"2")
        wait_until(lambda: "not authorised" in origin.read_log())
        origin.end(signal.SIGTERM)      # QUIT would wait for the purge
        text = origin.read_log()
        for secret in (password, bucket.server.secret_key, fake.token):
            assert secret not in text
        # nginx's own debug log shows a request's headers
        lines = [line for line in text.splitlines() if EDITOR in line]
        assert all("http header: " in line for line in lines)


def test_tokens_of_editors_are_not_in_the_log(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        origin.tokens.write_text(
            origin.tokens.read_text() + token_line("r", "read-only-token",
                                                   "read", "/"))
        origin.reload()
        origin.put("/a", b"x")
        problem(origin.put("/a", b"x", token="read-only-token"), 403)
        problem(origin.put("/a", b"x", token="unknown-token"), 401)
        text = origin.read_log()
        for token in (EDITOR, "read-only-token", "unknown-token"):
            assert token not in text
            assert hashlib.sha256(token.encode()).hexdigest() not in text
        assert 'token "r" may not' in text


# The documents

def test_every_directive_is_documented_and_no_other():
    code = (ROOT / "ngx_content_module.c").read_text()
    directives = re.findall(r'^    \{ ngx_string\("(content\w*)"\),', code,
                            re.M)
    documented = re.findall(r"^## `?(content\w*)`?$",
                            (ROOT / "docs/directives.md").read_text(), re.M)
    assert len(directives) > 20
    assert sorted(documented) == sorted(directives)
