"""The rights in S3 that docs/operations.md names are enough: a user who has
these and no others, by a policy of the bucket."""

import json
import re
import subprocess

import pytest

from harness import EDITOR, ROOT, Nginx, data, wait_until

MIB = 1024 * 1024
OTHER = ("OTHERKEY00000001", "other/Secret+0001")
CEPH = ["s3:DeleteObject", "s3:DeleteObjectVersion"]    # of the bucket itself


@pytest.fixture(scope="module")
def other(s3):
    """Another user of the server, who has no bucket."""
    subprocess.run(
        ["radosgw-admin", "-c", s3.dir / "ceph.conf", "--no-mon-config",
         "user", "create", "--uid=other", "--display-name=other",
         f"--access-key={OTHER[0]}", f"--secret-key={OTHER[1]}"],
        check=True, capture_output=True, timeout=60)
    return "arn:aws:iam:::user/other"


def documented():
    """(the policy, the actions on a bucket and on its objects that are wanted
    besides where it keeps versions)"""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    policy = re.search(r'^    (\{"Version".*?\]\})$', text, re.S | re.M)[1]
    more = re.search(r"In a bucket with versions (.*?) of the\s+objects\.",
                     text, re.S)[1]
    actions = re.findall(r"`(s3:\w+)`", more)
    return (json.loads(policy),
            [a for a in actions if a.endswith(("Versions", "Versioning"))],
            [a for a in actions if a.endswith(("Version", "VersionTagging"))])


def allow(bucket, who, versions):
    policy, of_bucket, of_objects = documented()
    policy["Statement"][0]["Action"] += CEPH
    for statement, more in zip(policy["Statement"], (of_bucket, of_objects)):
        statement["Principal"] = {"AWS": [who]}
        statement["Resource"] = statement["Resource"].replace(
            "media", bucket.name)
        if versions:
            statement["Action"] += more
    bucket.client.put_bucket_policy(Bucket=bucket.name,
                                    Policy=json.dumps(policy))


@pytest.fixture(params=[False, True], ids=["plain", "versions"])
def bucket(s3, other, request):
    made = s3.bucket()
    made.versions = request.param
    if made.versions:
        made.client.put_bucket_versioning(
            Bucket=made.name, VersioningConfiguration={"Status": "Enabled"})
    allow(made, other, made.versions)
    return made


class Limited(Nginx):
    """Has the other user's keys."""

    def s3_lines(self, bucket):
        lines = super().s3_lines(bucket)
        file = self.dir / "secret/aws"
        server = bucket.server
        file.write_text(file.read_text().replace(server.access_key, OTHER[0])
                        .replace(server.secret_key, OTHER[1]))
        return [line.replace("content_s3_probe off;", "") for line in lines]


def test_rights_that_are_documented_are_enough(tmp_path, bucket):
    with Limited(tmp_path / "n", bucket, server="""
            content_s3_copy_part_size 5m; content_s3_timeout 2s;
            content_sweep 8s;""") as origin:
        wait_until(lambda: all(s["probed"] for s in
                               origin.counters()["s3"].values()),
                   what="the probe")
        small, large = b"small", data(12 * MIB)
        assert origin.put("/small", small).status == 201
        assert origin.put("/small", small, if_none_match="*").status == 412
        assert origin.put("/large", large).status == 201
        assert origin.put("/large", large).status == 204
        answer = origin.get("/large", want_repr_digest="sha-256=1")
        assert answer.body == large and "Repr-Digest" in answer.headers
        assert origin.head("/small").status == 200
        assert origin.get("/small", range="bytes=1-2").body == b"ma"
        assert origin.get("/absent").status == 404
        assert len(origin.list()["objects"]) == 2
        for key in ("/small", "/large"):
            assert copied(origin, "COPY", key, key + "2").status == 201
            assert copied(origin, "MOVE", key + "2", key + "3").status == 201
        if bucket.versions:
            restores(origin)
        assert origin.delete("/small").status == 204
        assert origin.post("/-/delete",
                           {"keys": ["small3", "large3"]}).status == 200
        sweeps = origin.counters()["sweep"]["rounds"]
        wait_until(lambda: origin.counters()["sweep"]["rounds"] > sweeps + 1,
                   what="a sweep")
        assert origin.counters()["sweep"]["failed"] == 0
        assert not re.findall(r".*(?:403|AccessDenied).*", origin.read_log())
    assert bucket.keys() == ["large"]


def copied(origin, method, source, target):
    return origin.request(method, source, token=EDITOR, destination=target)


def restores(origin):
    versions = origin.get("/-/versions?key=large", token=EDITOR).json()
    assert len(versions["versions"]) == 2, versions
    old = versions["versions"][-1]["version"]
    assert origin.get(f"/-/version?key=large&version={old}",
                      token=EDITOR).status == 200
    assert origin.post(f"/-/restore?key=large&version={old}", b"").status == 204
