"""The S3 server of the tests, and its buckets."""

import os
import pathlib
import ssl
import subprocess

import boto3
import botocore.config

from harness import ROOT, free_port


class S3Server:
    """Ceph's RADOS Gateway, by scripts/rgw.sh."""

    def __init__(self, workdir):
        self.dir = pathlib.Path(workdir) / "s3"
        values = self.start()
        self.endpoint = values["S3_ENDPOINT"]
        self.tls_endpoint = values["S3_TLS_ENDPOINT"]
        self.ca_file = values["S3_CA_FILE"]
        self.access_key = values["S3_ACCESS_KEY"]
        self.secret_key = values["S3_SECRET_KEY"]
        self.made = 0

    def start(self):
        """Somebody else may take one of its ports before it does."""
        for attempt in range(3):
            self.port = free_port(23)
            try:
                return self.script("up")
            except AssertionError:
                if attempt == 2:
                    raise
                self.script("down", "--wipe")

    def script(self, *arguments):
        done = subprocess.run(
            [ROOT / "scripts/rgw.sh", *arguments], text=True, check=False,
            stdout=subprocess.PIPE, timeout=180, stdin=subprocess.DEVNULL,
            env={**os.environ, "S3_DIR": str(self.dir), "S3_STORE": "memstore",
                 "S3_PORT": str(self.port)})
        assert done.returncode == 0, "scripts/rgw.sh failed"
        return dict(line.split("=", 1) for line in done.stdout.splitlines()
                    if "=" in line)

    def stop(self):
        self.script("down", "--wipe")

    def tls_context(self):
        """For another server of https://localhost that is believed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        place = pathlib.Path(self.ca_file).parent
        context.load_cert_chain(place / "server.crt", place / "server.key")
        return context

    def client(self):
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=botocore.config.Config(
                signature_version="s3v4", retries={"max_attempts": 1},
                s3={"addressing_style": "path"}))

    def bucket(self):
        self.made += 1
        return S3Bucket(self, f"bucket-{self.made}")


class S3Bucket:
    """A bucket of its own; `through` is a proxy in front of the server."""

    def __init__(self, server, name, through=None):
        self.server, self.name = server, name
        self.endpoint = through or server.endpoint
        self.client = server.client()
        if through is None:
            self.client.create_bucket(Bucket=name)

    def through(self, endpoint):
        """The same bucket, reached by another endpoint."""
        return S3Bucket(self.server, self.name, endpoint)

    def keys(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def uploads(self):
        """Multipart uploads that were never ended."""
        return self.client.list_multipart_uploads(
            Bucket=self.name).get("Uploads", [])
