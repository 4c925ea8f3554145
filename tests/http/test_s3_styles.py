"""The ways to reach S3: the bucket in the path or in the host, TLS."""

import pytest

from harness import Nginx


def settings(s3, style, tls):
    port = (s3.tls_endpoint if tls else s3.endpoint).rsplit(":", 1)[1]
    lines = [f"content_s3_endpoint {'https' if tls else 'http'}://"
             f"localhost:{port};", f"content_s3_style {style};"]
    if tls:
        lines.append(f'content_s3_ca_file "{s3.ca_file}";')
    return "\n            ".join(lines)


@pytest.fixture(scope="module", params=[
    ("path", False), ("virtual", False), ("path", True), ("virtual", True)],
    ids=lambda p: p[0] + (" over TLS" if p[1] else ""))
def reached(request, s3, bucket, tmp_path_factory):
    with Nginx(tmp_path_factory.mktemp("styles"), bucket,
               location=settings(s3, *request.param)) as origin:
        yield origin


@pytest.mark.parametrize("key", ["/plain", "/with%20space/%C3%A9+%25.txt"])
@pytest.mark.parametrize("size", [0, 5000, 12_000_000])
def test_object_is_stored_read_listed_and_deleted(reached, key, size):
    body = b"x" * size
    assert reached.put(key, body).status in (201, 204)
    assert reached.get(key).body == body
    assert reached.list()["objects"][0]["size"] == size
    assert reached.delete(key).status == 204
    assert reached.get(key).status == 404


def test_server_without_our_ca_is_not_believed(s3, bucket, tmp_path):
    location = settings(s3, "path", True)
    location = location[:location.index("content_s3_ca_file")]
    with Nginx(tmp_path / "n", bucket, location=location) as origin:
        assert origin.get("/a").status == 502
        assert origin.put("/a", b"x").status == 502
