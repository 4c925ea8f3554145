"""Other clients of the S3 store's bucket: each side reads what the other wrote."""

import os
import subprocess

import pytest

from harness import (Nginx, data, path_of, problem, request_head,
                     wait_until)
from test_objects import MIB


@pytest.fixture(scope="module")
def s3_origin(bucket, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("s3-origin"), bucket) as nginx:
        yield nginx


@pytest.mark.parametrize("size", [0, 100, 12 * MIB])
def test_boto3_reads_what_was_put(s3_origin, bucket, key, size):
    s3_origin.put(key, data(size), content_type="image/x-a",
                  x_content_meta_color="red")
    answer = bucket.client.get_object(Bucket=bucket.name, Key=key[1:])
    assert answer["Body"].read() == data(size)
    assert answer["ContentType"] == "image/x-a"
    assert answer["Metadata"]["color"] == "red"
    assert answer["ETag"] == s3_origin.head(key).headers["ETag"]


@pytest.mark.parametrize("name", [
    "plain", "a b+c(1)'@!*.txt", "\u00e9\uc0ac\U0001f600", "a//b/", "100%25"])
def test_boto3_finds_it_under_the_same_key(s3_origin, bucket, key, name):
    name = f"{key[1:]}/{name}"
    s3_origin.put(path_of(name), name.encode())
    answer = bucket.client.get_object(Bucket=bucket.name, Key=name)
    assert answer["Body"].read() == name.encode()


@pytest.mark.parametrize("size", [100, 12 * MIB])
def test_what_boto3_wrote_is_served(s3_origin, bucket, key, size):
    bucket.client.put_object(
        Bucket=bucket.name, Key=key[1:], Body=data(size),
        ContentType="text/x-boto", CacheControl="max-age=3",
        ContentLanguage="fr", ContentDisposition="inline",
        Metadata={"color": "blue", "cache-tag": "boto"})
    answer = s3_origin.get(key)
    assert answer.body == data(size)
    assert answer.headers["Content-Type"] == "text/x-boto"
    assert answer.headers["Cache-Control"] == "max-age=3"
    assert answer.headers["Content-Language"] == "fr"
    assert answer.headers["Content-Disposition"] == "inline"
    assert answer.headers["X-Content-Meta-Color"] == "blue"


@pytest.mark.parametrize("memory", [False, True])
def test_headers_without_a_value_are_none(bucket, tmp_path, key, memory):
    """As bytes: a client may take a CR alone for the end of a line."""
    bucket.client.put_object(Bucket=bucket.name, Key=key[1:], Body=b"x",
                             ContentType="",
                             Metadata={"empty": "", "color": "red"})
    with Nginx(tmp_path / "n", bucket,
               http="content_memory 16m;" if memory else "") as origin:
        for method in ("HEAD", "GET", "GET"):
            with origin.connect() as connection:
                connection.send(request_head(method, key, {"Host": "o"}))
                lines = list(iter(connection.line, b"\r\n"))
            assert all(line.count(b"\r") == 1 for line in lines), lines
            assert b"Content-Type: text/plain\r\n" in lines
            assert b"X-Content-Meta-color: red\r\n" in lines


def test_what_boto3_deleted_is_gone(s3_origin, bucket, key):
    s3_origin.put(key, b"x")
    bucket.client.delete_object(Bucket=bucket.name, Key=key[1:])
    problem(s3_origin.get(key), 404)


@pytest.mark.parametrize("name", ["libs3.txt", "a+(1)@'.txt"])
def test_libs3_reads_what_was_put(s3_origin, s3, bucket, key, name):
    body = data(1000)
    s3_origin.put(path_of(f"{key[1:]}/{name}"), body)
    done = subprocess.run(
        ["s3", "-u", "get", f"{bucket.name}{key}/{name}"], timeout=30,
        capture_output=True, check=True,
        env={**os.environ, "S3_ACCESS_KEY_ID": s3.access_key,
             "S3_SECRET_ACCESS_KEY": s3.secret_key,
             "S3_HOSTNAME": s3.endpoint.removeprefix("http://")})
    assert done.stdout == body


def test_awscli_reads_what_was_put(s3_origin, s3, bucket, key, tmp_path):
    body = data(6 * MIB)
    s3_origin.put(key, body)
    copy = tmp_path / "copy"
    subprocess.run(
        ["aws", "--endpoint-url", s3.endpoint, "s3api", "get-object",
         "--bucket", bucket.name, "--key", key[1:], str(copy)],
        capture_output=True, check=True, timeout=60,
        env={**os.environ, "AWS_ACCESS_KEY_ID": s3.access_key,
             "AWS_SECRET_ACCESS_KEY": s3.secret_key,
             "AWS_DEFAULT_REGION": "us-east-1"})
    assert copy.read_bytes() == body


def test_no_multipart_upload_is_left(s3_origin, bucket, key):
    s3_origin.put(key, data(12 * MIB))
    s3_origin.put(key, data(12 * MIB), if_none_match="*")
    wait_until(lambda: bucket.uploads() == [], what=bucket.uploads())


def test_s3_over_tls_is_verified_by_the_ca_file(s3, bucket, key, tmp_path):
    with Nginx(tmp_path / "n", bucket.through(s3.tls_endpoint),
               server=f"content_s3_ca_file {s3.ca_file};") as origin:
        body = data(6 * MIB)
        assert origin.put(key, body).status == 201
        assert origin.get(key).body == body
        assert origin.head(key).status == 200


def test_s3_with_an_unknown_certificate_is_502(s3, bucket, key, tmp_path):
    with Nginx(tmp_path / "n", bucket.through(s3.tls_endpoint)) as origin:
        problem(origin.get(key), 502)
        problem(origin.put(key, b"x"), 502)
