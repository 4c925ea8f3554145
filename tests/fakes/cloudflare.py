#!/usr/bin/python3
"""A strict stand-in for Cloudflare's purge API, with Varnish as its edge.

Run by the tests (tests/http/edge.py starts and stops it); never part of the
product.  It refuses what the real API refuses, keeps its limits, and has
purged the edge before it answers 200.  The paths below /_test/ are for the
tests: what was called, which faults come next, other limits.  The rules
themselves are in purge_rules.py.
"""

import argparse
import http.client
import http.server
import json
import re
import socket
import sys
import threading
import time
import urllib.parse
import uuid

from purge_rules import (EVERYTHING, PLANS, RATE_LIMITED, SELECTORS,
                         Limits, Refusal, error, read_selector)

API = "/client/v4"
HEX32 = re.compile(r"[0-9a-f]{32}")
MAX_BODY = 4 << 20
BAD = object()                  # a body that is no JSON


class Edge:
    """Varnish with edge.vcl in front of the origin."""

    def __init__(self, address):
        self.address = address

    def purge(self, name, items, soft):
        """Purge all items; the number of objects that were in the cache."""
        if not self.address:
            return 0
        orders = ([("/", {"X-Purge-Key": "all"})] if name == EVERYTHING
                  else [SELECTORS[name].purge(item) for item in items])
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            return sum(self.send(connection, path, headers, soft)
                       for path, headers in orders)
        finally:
            connection.close()

    def send(self, connection, path, headers, soft):
        connection.request("PURGE", path, headers={
            "Host": "edge", **headers,
            "X-Purge-Mode": "soft" if soft else "hard"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(f"edge answered {answer.status} to PURGE {path}")
        return int(answer.headers["X-Purged"])


class Journal:
    """The purge calls in order of arrival, and the faults still to come."""

    def __init__(self):
        self.changed = threading.Condition()
        self.calls, self.faults = [], []

    def arrived(self, action, body, agent):
        call = {"time": time.time(), "action": action, "body": body,
                "user_agent": agent, "status": None, "evicted": 0,
                "fault": None}
        with self.changed:
            self.calls.append(call)
            if self.faults:
                call["fault"] = fault = self.faults[0]
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self.faults.pop(0)
                call["fault"] = dict(fault)
            self.changed.notify_all()
        return call

    def answered(self, call, status):
        with self.changed:
            call["status"] = status
            self.changed.notify_all()

    def wait(self, least, timeout, state):
        """All calls, once `least` of them were answered (or arrived)."""
        def enough():
            done = [c for c in self.calls
                    if state == "arrived" or c["status"] is not None]
            return len(done) >= least
        with self.changed:
            return self.changed.wait_for(enough, timeout), list(self.calls)

    def clear(self):
        with self.changed:
            self.calls.clear()

    def set_faults(self, faults):
        with self.changed:
            self.faults = faults


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    call = None                 # of purge, that is being answered

    def log_message(self, *args):
        pass

    def do_any(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.text = self.read_body()
        if self.text is None:
            return
        if url.path.startswith("/_test/"):
            self.control(url.path)
            return
        purge = re.fullmatch(API + "/zones/([^/]+)/(purge|invalidate)_cache",
                             url.path)
        try:
            if purge and self.command == "POST":
                self.purge(*purge.groups())
            elif url.path == API + "/user/tokens/verify" and self.is_get():
                self.verify()
            elif purge:
                raise Refusal(405, (10405, "Method not allowed for this "
                                           "authentication scheme"))
            else:
                raise Refusal(404, *self.no_route(url.path))
        except Refusal as refusal:
            self.refuse(refusal)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any

    def is_get(self):
        return self.command == "GET"

    def read_body(self):
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            self.send_error(411)
        elif int(length) > MAX_BODY:
            self.send_error(413)
        else:
            return self.rfile.read(int(length))
        self.close_connection = True
        return None

    # The API

    def purge(self, zone, action):
        body = self.json()
        self.call = self.server.journal.arrived(
            action, self.text.decode("utf-8", "replace") if body is BAD
            else body, self.headers.get("User-Agent"))
        try:
            if not self.fault(self.call["fault"] or {}):
                self.carry_out(zone, action, body, self.call)
        except Refusal as refusal:
            self.refuse(refusal)
        finally:
            self.call = None

    def carry_out(self, zone, action, body, call):
        server = self.server
        server.limits.request()
        self.authenticate((401, (10000, "Authentication error")))
        if zone != server.zone:
            if not HEX32.fullmatch(zone):
                raise Refusal(404, *self.no_route(self.path))
            raise Refusal(403, (10000, "Authentication error"))
        media = self.headers.get("Content-Type", "").partition(";")[0]
        if media.strip().lower() != "application/json":
            raise Refusal(400, (6003, "Invalid request headers", (
                6105, "Invalid Content-Type header, valid values are "
                      "application/json,multipart/form-data")))
        if body is BAD:
            raise Refusal(400, (6007, "Malformed JSON in request body"))
        name, items = read_selector(body, server.limits.values)
        server.limits.purge(name, len(items))
        errors, good = self.sort_out(name, items)
        if good or name == EVERYTHING:
            call["evicted"] = self.evict(name, good, action)
        self.answer(200, {"success": not errors, "errors": errors,
                          "messages": [],
                          "result": {"id": zone} if good or not items
                          else None})

    def sort_out(self, name, items):
        """What the edge can't be asked for is listed, the rest is done."""
        errors, good = [], []
        for item in items:
            wrong = SELECTORS[name].check(item, self.server.zone_names)
            if wrong:
                errors.append(error(*wrong))
            else:
                good.append(item)
        if errors:
            errors.append(error(1016, "Unable to purge any urls"))
        return errors, good

    def evict(self, name, items, action):
        try:
            return self.server.edge.purge(name, items, action == "invalidate")
        except (OSError, http.client.HTTPException) as failure:
            print(f"edge: {failure}", file=sys.stderr, flush=True)
            raise Refusal(500, (1017, "Unable to purge all"))

    def verify(self):
        self.server.limits.request()
        self.authenticate((401, (1000, "Invalid API Token")))
        self.answer(200, {
            "result": {"id": uuid.uuid5(uuid.NAMESPACE_OID,
                                        self.server.token).hex,
                       "status": "active"},
            "success": True, "errors": [],
            "messages": [{"code": 10000, "type": None,
                          "message": "This API Token is valid and active"}]})

    def authenticate(self, refusal):
        value = self.headers.get("Authorization")
        if value is None:
            raise Refusal(400, (9106, "Missing X-Auth-Key, X-Auth-Email or "
                                      "Authorization headers"))
        match = re.fullmatch(r"Bearer ([A-Za-z0-9_-]+)", value)
        if not match:
            raise Refusal(400, (6003, "Invalid request headers", (
                6111, "Invalid format for Authorization header")))
        if match[1] != self.server.token:
            raise Refusal(*refusal)

    @staticmethod
    def no_route(path):
        return ((7003, f"Could not route to {path}, perhaps your object "
                       "identifier is invalid?"),
                (7000, "No route for that URI"))

    def fault(self, fault):
        """Answer as the fault wants; whether it has done so."""
        time.sleep(fault.get("stall", 0))
        if fault.get("cut"):
            self.note(0)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return True
        if not {"status", "body"} & set(fault):
            return False
        status, headers = fault.get("status", 200), {}
        if "retry_after" in fault:
            headers["Retry-After"] = fault["retry_after"]
        cause = RATE_LIMITED if status == 429 else (10001, "Internal error")
        self.answer(status, fault.get("body", {
            "success": False, "errors": [error(*cause)], "messages": [],
            "result": None}), headers)
        return True

    def note(self, status):
        """The answer to a call, before it goes out: who has had it, and says
        that the job is done, finds it in the journal."""
        if self.call:
            self.server.journal.answered(self.call, status)

    # The tests' own paths

    def control(self, path):
        journal, limits = self.server.journal, self.server.limits
        order = (self.command, path)
        if order == ("GET", "/_test/calls"):
            enough, calls = journal.wait(int(self.query.get("min", 0)),
                                         float(self.query.get("timeout", 30)),
                                         self.query.get("state", "answered"))
            self.answer(200 if enough else 408, calls)
        elif order == ("DELETE", "/_test/calls"):
            journal.clear()
            self.answer(200, [])
        elif order == ("POST", "/_test/faults"):
            faults = self.json()
            faults = faults if isinstance(faults, list) else [faults]
            faults = [{"times": 1, **f} for f in faults]
            journal.set_faults(journal.faults + faults)
            self.answer(200, journal.faults)
        elif order == ("DELETE", "/_test/faults"):
            journal.set_faults([])
            self.answer(200, [])
        elif order == ("POST", "/_test/limits"):
            self.set_limits(limits)
        elif order == ("GET", "/_test/limits"):
            self.answer(200, limits.values)
        else:
            self.answer(404, "no such path")

    def set_limits(self, limits):
        try:
            limits.set(self.json())
            self.answer(200, limits.values)
        except KeyError as unknown:
            self.answer(400, f"unknown: {unknown}")

    # Reading and writing

    def json(self):
        try:
            return json.loads(self.text)
        except ValueError:
            return BAD

    def refuse(self, refusal):
        self.answer(refusal.status,
                    {"success": False, "errors": refusal.errors,
                     "messages": [], "result": None}, refusal.headers)

    def answer(self, status, body, headers=None):
        raw = body if isinstance(body, str) else json.dumps(body)
        raw = raw.encode()
        self.note(status)
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("CF-Ray", uuid.uuid4().hex[:16] + "-TST")
            for name, value in (headers or {}).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(raw)
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True    # the client left: its right


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--zone", required=True, metavar="ID")
    parser.add_argument("--zone-name", action="append", default=[],
                        metavar="DOMAIN", help="refuse hosts outside of it")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--token")
    secret.add_argument("--token-file", metavar="PATH")
    parser.add_argument("--plan", choices=PLANS, default="free")
    parser.add_argument("--varnish", metavar="HOST:PORT")
    args = parser.parse_args()

    server = Server(("127.0.0.1", args.port), Handler)
    server.zone, server.zone_names = args.zone, args.zone_name
    server.token = args.token
    if args.token_file:
        with open(args.token_file, encoding="ascii") as file:
            server.token = file.read().strip()
    server.limits, server.journal = Limits(args.plan), Journal()
    server.edge = Edge(args.varnish)
    print(f"listening 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
