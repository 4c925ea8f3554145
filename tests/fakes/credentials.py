#!/usr/bin/python3
"""Strict stand-ins for the endpoints that AWS hands out credentials at: EC2's
instance metadata service (IMDSv2 only), the endpoint of containers (ECS, EKS)
and STS's AssumeRoleWithWebIdentity.

A part of the tests (tests/http/test_credentials.py runs it in a thread);
never part of the product.  It refuses what the real ones refuse.
"""

import datetime
import http.server
import json
import re
import secrets
import socket
import threading
import time
import urllib.parse

TOKEN_PATH = "/latest/api/token"
ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
TTL_MAX = 21600
STS_VERSION = "2011-06-15"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
HOP_HEADERS = ("X-Forwarded-For",)      # IMDSv2 refuses PUTs through proxies

CONTAINER_PATH = "/v1/credentials"


class Refusal(Exception):
    def __init__(self, status, body=b"", kind="text/html"):
        super().__init__(status)
        self.status, self.body, self.kind = status, body, kind


class Endpoints:
    """All three at 127.0.0.1:port, and what they say.

    access, secret, token   the keys handed out (token None: an empty one)
    life                    seconds until they expire
    fault                   None, an HTTP status, "cut", "stall" or "garbage"
    calls                   (time, method, path, status), in order
    """

    def __init__(self, access, secret, token=None, life=3600):
        self.access, self.secret, self.token = access, secret, token
        self.life = life
        self.fault = None
        self.role = "origin-role"
        self.authorization = "container-" + secrets.token_urlsafe(24)
        self.identity = "eyJ0." + secrets.token_urlsafe(48) + ".sig"
        self.role_arn = "arn:aws:iam::123456789012:role/origin"
        self.sessions = {}              # IMDSv2 token: until when
        self.calls = []
        self.served = set()             # secrets that have left
        self.server = self.kept = None
        self.start()

    # its life

    def start(self, port=0):
        endpoints = self

        class Handler(RequestHandler):
            pass

        Handler.endpoints = endpoints
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port),
                                                      Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,),
                         daemon=True).start()

    def stop(self):
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()
            self.kept = socket.socket()     # or a connection gets the port
            self.kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.kept.bind(("127.0.0.1", self.port))

    def restart(self):
        self.kept.close()
        self.start(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()
        self.kept.close()

    # what it has seen

    def fetches(self):
        """How often credentials were handed out."""
        return sum(1 for _, _, path, status in list(self.calls)
                   if status == 200 and path not in (TOKEN_PATH, ROLE_PATH))

    def secrets(self):
        return {self.secret, self.authorization, self.identity,
                *([self.token] if self.token else []), *self.sessions,
                *self.served}

    # what it says

    def expiration(self):
        return (datetime.datetime.now(datetime.timezone.utc)
                + datetime.timedelta(seconds=self.life)).strftime(
                    "%Y-%m-%dT%H:%M:%SZ")

    def document(self):
        return {"AccessKeyId": self.access, "SecretAccessKey": self.secret,
                "Token": self.token or "", "Expiration": self.expiration()}

    def answer(self, method, path, headers, body):
        """(content type, body), or a Refusal."""
        if path == TOKEN_PATH:
            return self.imds_token(method, headers)
        if path.startswith("/latest/"):
            return self.imds(method, path, headers)
        if path == CONTAINER_PATH:
            return self.container(method, headers)
        if path == "/":
            return self.sts(method, headers, body)
        raise Refusal(404)

    def imds_token(self, method, headers):
        if method != "PUT":
            raise Refusal(405)
        if any(name in headers for name in HOP_HEADERS):
            raise Refusal(403)
        ttl = headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not re.fullmatch(r"[0-9]+", ttl) or not 1 <= int(ttl) <= TTL_MAX:
            raise Refusal(400)
        token = secrets.token_urlsafe(40) + "=="
        self.sessions[token] = time.time() + int(ttl)
        return "text/plain", token.encode()

    def imds(self, method, path, headers):
        if method != "GET":
            raise Refusal(405)
        token = headers.get("X-aws-ec2-metadata-token")
        if self.sessions.get(token, 0) < time.time():
            raise Refusal(401)
        if path == ROLE_PATH:
            if not self.role:
                raise Refusal(404)
            return "text/plain", self.role.encode()
        if path != ROLE_PATH + self.role:
            raise Refusal(404)
        now = datetime.datetime.now(datetime.timezone.utc)
        return "text/plain", json.dumps(
            {"Code": "Success", "Type": "AWS-HMAC",
             "LastUpdated": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
             **self.document()}, indent=2).encode()

    def container(self, method, headers):
        if method != "GET":
            raise Refusal(405)
        if headers.get("Authorization") != self.authorization:
            raise Refusal(401, json.dumps(
                {"code": "AccessDenied",
                 "message": f"not {headers.get('Authorization')}"}).encode(),
                "application/json")
        return "application/json", json.dumps(
            {"RoleArn": self.role_arn, **self.document()}).encode()

    def sts(self, method, headers, body):
        kind = headers.get("Content-Type", "").split(";")[0].strip()
        if method != "POST" or kind != "application/x-www-form-urlencoded":
            raise self.sts_error(400, "InvalidAction", method)
        form = urllib.parse.parse_qs(body.decode("ascii"),
                                     keep_blank_values=True,
                                     strict_parsing=True)
        if any(len(values) > 1 for values in form.values()):
            raise self.sts_error(400, "MalformedInput", "twice")
        form = {name: values[0] for name, values in form.items()}
        if form.pop("Action", "") != "AssumeRoleWithWebIdentity":
            raise self.sts_error(400, "InvalidAction", "action")
        if form.pop("Version", "") != STS_VERSION:
            raise self.sts_error(400, "InvalidAction", "version")
        identity = form.pop("WebIdentityToken", "")
        role = form.pop("RoleArn", "")
        session = form.pop("RoleSessionName", "")
        if (form or not ROLE_ARN.fullmatch(role)
                or not SESSION_NAME.fullmatch(session)):
            raise self.sts_error(400, "ValidationError", repr(form))
        if identity != self.identity:
            raise self.sts_error(400, "InvalidIdentityToken",
                                 f"not {identity}")
        if role != self.role_arn:
            raise self.sts_error(403, "AccessDenied", role)
        d = self.document()
        return "text/xml", f"""\
<AssumeRoleWithWebIdentityResponse xmlns="{STS_NAMESPACE}">
  <AssumeRoleWithWebIdentityResult>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser>
      <AssumedRoleId>AROA1:{session}</AssumedRoleId>
      <Arn>arn:aws:sts::123456789012:assumed-role/origin/{session}</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{d['AccessKeyId']}</AccessKeyId>
      <SecretAccessKey>{d['SecretAccessKey']}</SecretAccessKey>
      <SessionToken>{d['Token']}</SessionToken>
      <Expiration>{d['Expiration']}</Expiration>
    </Credentials>
    <SubjectFromWebIdentityToken>system:serviceaccount:a:b\
</SubjectFromWebIdentityToken>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
""".encode()

    @staticmethod
    def sts_error(status, code, message):
        return Refusal(status, f"""\
<ErrorResponse xmlns="{STS_NAMESPACE}">
  <Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>
  </Error><RequestId>r-2</RequestId>
</ErrorResponse>
""".encode(), "text/xml")


class RequestHandler(http.server.BaseHTTPRequestHandler):
    endpoints = None
    protocol_version = "HTTP/1.1"

    def handle_request(self):
        endpoints = self.endpoints
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = self.path
        if endpoints.server is None:    # what was kept alive ends too
            self.close_connection = True
            return
        try:
            fault = endpoints.fault
            if fault == "cut":
                self.note(0)
                self.close_connection = True
                return
            if fault == "stall":
                time.sleep(30)
                self.close_connection = True
                return
            if isinstance(fault, int):
                raise Refusal(fault, endpoints.secret.encode())
            kind, answer = endpoints.answer(self.command, path, self.headers,
                                            body)
            if fault == "garbage":
                answer = answer[:len(answer) // 2]
            status = 200
        except Refusal as refusal:
            status, kind, answer = refusal.status, refusal.kind, refusal.body
        self.note(status)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def note(self, status):
        self.endpoints.calls.append((time.time(), self.command, self.path,
                                     status))

    do_GET = do_PUT = do_POST = handle_request

    def log_message(self, *args):
        pass
