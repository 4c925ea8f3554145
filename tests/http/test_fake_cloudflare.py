"""The fake of Cloudflare's API answers as the API does.

Three witnesses: tables of bodies with the answer each must get, Cloudflare's
own OpenAPI examples and npm client, and a real Varnish whose content must go.
"""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
import requests

import cloudflare
import edge

SDK_VERSION = json.loads((edge.FAKES / "package.json").read_text())[
    "dependencies"]["cloudflare"]
OPENAPI = json.loads((edge.FAKES / "cloudflare-openapi.json").read_text())
URLS = [f"https://www.example.com/{i}" for i in range(501)]
NAMES = [f"t{i}" for i in range(101)]


@pytest.fixture
def fake(shared_fake):
    shared_fake.reset()
    return shared_fake


def codes(answer):
    return [e["code"] for e in answer.json()["errors"]]


# Bodies

@pytest.mark.parametrize("name, body", [
    ("tags", {"tags": ["a", "B-1", "x" * 1024]}),
    ("tags, as many as allowed", {"tags": NAMES[:100]}),
    ("hosts", {"hosts": ["www.example.com", "EXAMPLE.com"]}),
    ("prefixes", {"prefixes": ["www.example.com/a/b", "example.com"]}),
    ("31 separators", {"prefixes": ["www.example.com" + "/a" * 31]}),
    ("files", {"files": ["https://www.example.com/a?b=c",
                         "http://example.com"]}),
    ("files in UTF-8", {"files": ["https://www.example.com/ä"]}),
    ("files with headers", {"files": [
        {"url": "https://www.example.com/",
         "headers": {"Origin": "https://o"}},
        "https://www.example.com/plain"]}),
    ("files, as many as allowed", {"files": URLS[:100]}),
    ("everything", {"purge_everything": True}),
])
@pytest.mark.parametrize("action", ["purge", "invalidate"])
def test_good_body_is_accepted(fake, action, name, body):
    answer = fake.post(action, body)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "errors": [], "messages": [],
                             "result": {"id": fake.zone}}
    [call] = fake.calls(1)
    assert call["action"] == action
    assert call["body"] == body
    assert call["status"] == 200


@pytest.mark.parametrize("name, body, code", [
    ("nothing", {}, 1012),
    ("unknown selector", {"urls": ["https://www.example.com/"]}, 1012),
    ("beside an unknown field", {"tags": ["a"], "foo": 1}, 1012),
    ("two selectors", {"tags": ["a"], "hosts": ["www.example.com"]}, 1012),
    ("no items", {"tags": []}, 1012),
    ("file without url", {"files": [{"headers": {}}]}, 1012),
    ("header that is no string",
     {"files": [{"url": URLS[0], "headers": {"Origin": 1}}]}, 1012),
    ("header that is two",
     {"files": [{"url": URLS[0], "headers": {"Origin": "a\r\nB: c"}}]}, 1012),
    ("everything false", {"purge_everything": False}, 1013),
    ("everything as text", {"purge_everything": "true"}, 1013),
    ("string", {"tags": "a"}, 1014),
    ("object", {"files": {"url": URLS[0]}}, 1014),
    ("null", {"hosts": None}, 1014),
    ("number as an item", {"tags": [1]}, 1014),
    ("object as a tag", {"tags": [{"url": URLS[0]}]}, 1014),
    ("everything and more", {"purge_everything": True, "tags": ["a"]}, 1092),
    ("too many files", {"files": URLS[:101]}, 1094),
    ("too many tags", {"tags": NAMES}, 1101),
    ("too many hosts", {"hosts": ["www.example.com"] * 101}, 1111),
    ("no object", ["a"], 6007),
])
def test_bad_body_is_refused_as_a_whole(fake, name, body, code):
    answer = fake.post("purge", body)
    assert answer.status_code == 400
    assert codes(answer) == [code]
    assert answer.json()["success"] is False
    assert answer.json()["result"] is None


@pytest.mark.parametrize("name, body, code", [
    ("relative URL", {"files": ["/a"]}, 1084),
    ("URL without a scheme", {"files": ["www.example.com/a"]}, 1084),
    ("other scheme", {"files": ["ftp://www.example.com/a"]}, 1084),
    ("space in a URL", {"files": ["https://www.example.com/a b"]}, 1084),
    ("fragment", {"files": ["https://www.example.com/a#b"]}, 1084),
    ("no host", {"files": ["https:///a"]}, 1084),
    ("user in a URL", {"files": ["https://u@www.example.com/a"]}, 1084),
    ("URL of another zone", {"files": ["https://example.org/a"]}, 1082),
    ("URL of a longer zone", {"files": ["https://notexample.com/a"]}, 1082),
    ("tag of 1,025", {"tags": ["x" * 1025]}, 1100),
    ("empty tag", {"tags": [""]}, 1084),
    ("tag with a space", {"tags": ["a b"]}, 1084),
    ("tag with a comma", {"tags": ["a,b"]}, 1084),
    ("tag beyond ASCII", {"tags": ["ä"]}, 1084),
    ("host with a scheme", {"hosts": ["https://www.example.com"]}, 1115),
    ("host with a port", {"hosts": ["www.example.com:80"]}, 1115),
    ("host of 201", {"hosts": ["a" * 201]}, 1114),
    ("host of another zone", {"hosts": ["www.example.org"]}, 1082),
    ("prefix with a scheme", {"prefixes": ["https://www.example.com/a"]},
     1084),
    ("prefix with a query", {"prefixes": ["www.example.com/a?b"]}, 1084),
    ("prefix with a fragment", {"prefixes": ["www.example.com/a#b"]}, 1084),
    ("prefix without a host", {"prefixes": ["/a"]}, 1084),
    ("32 separators", {"prefixes": ["www.example.com" + "/a" * 32]}, 1084),
    ("prefix of another zone", {"prefixes": ["example.org/a"]}, 1082),
])
def test_bad_item_is_listed_in_a_200(fake, name, body, code):
    answer = fake.post("purge", body)
    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert codes(answer) == [code, 1016]


def test_good_items_beside_a_bad_one_are_accepted(fake):
    answer = fake.purge(files=["/bad", "https://www.example.com/good"])
    assert codes(answer) == [1084, 1016]
    assert answer.json()["result"] == {"id": fake.zone}


# Headers and routes

@pytest.mark.parametrize("name, headers, status, code, link", [
    ("no token", {"Authorization": None}, 400, 9106, None),
    ("no scheme", {"Authorization": edge.TOKEN}, 400, 6003, 6111),
    ("basic", {"Authorization": "Basic YTpi"}, 400, 6003, 6111),
    ("empty", {"Authorization": "Bearer "}, 400, 6003, 6111),
    ("wrong token", {"Authorization": "Bearer x"}, 401, 10000, None),
    ("wrong type", {"Content-Type": "text/plain"}, 400, 6003, 6105),
    ("no type", {"Content-Type": None}, 400, 6003, 6105),
    ("charset", {"Content-Type": "application/json; charset=utf-8"},
     200, None, None),
])
def test_headers(fake, name, headers, status, code, link):
    answer = requests.post(
        f"{fake.api}/zones/{fake.zone}/purge_cache", data=b'{"tags":["a"]}',
        timeout=10, headers={"Authorization": f"Bearer {fake.token}",
                             "Content-Type": "application/json", **headers})
    assert answer.status_code == status
    errors = answer.json()["errors"]
    assert [e["code"] for e in errors] == ([code] if code else [])
    if link:
        assert [e["code"] for e in errors[0]["error_chain"]] == [link]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"tags":["a"]} x'])
def test_text_that_is_no_json(fake, raw):
    answer = requests.post(
        f"{fake.api}/zones/{fake.zone}/purge_cache", data=raw, timeout=10,
        headers={"Authorization": f"Bearer {fake.token}",
                 "Content-Type": "application/json"})
    assert (answer.status_code, codes(answer)) == (400, [6007])


@pytest.mark.parametrize("method, path, status, wanted", [
    ("POST", "/zones/nonsense/purge_cache", 404, [7003, 7000]),
    ("POST", "/zones/" + "0" * 32 + "/purge_cache", 403, [10000]),
    ("POST", f"/zones/{edge.ZONE}/purge", 404, [7003, 7000]),
    ("POST", "/zone/purge_cache", 404, [7003, 7000]),
    ("GET", f"/zones/{edge.ZONE}/purge_cache", 405, [10405]),
    ("PUT", f"/zones/{edge.ZONE}/invalidate_cache", 405, [10405]),
])
def test_routes(fake, method, path, status, wanted):
    answer = requests.request(
        method, fake.api + path, json={"tags": ["a"]}, timeout=10,
        headers={"Authorization": f"Bearer {fake.token}"})
    assert (answer.status_code, codes(answer)) == (status, wanted)


@pytest.mark.parametrize("token, status, wanted", [
    (edge.TOKEN, 200, []), ("wrong", 401, [1000])])
def test_verify(fake, token, status, wanted):
    answer = requests.get(f"{fake.api}/user/tokens/verify", timeout=10,
                          headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, codes(answer)) == (status, wanted)
    if status == 200:
        assert answer.json()["result"]["status"] == "active"


def test_token_from_a_file(tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    process = subprocess.Popen(
        ["/usr/bin/python3", edge.FAKES / "cloudflare.py", "--zone",
         edge.ZONE, "--token-file", tmp_path / "token"],
        stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().split()[1]
    with edge.FakeCloudflare(process, address, edge.ZONE, "from-a-file") as f:
        assert f.purge(tags=["a"]).status_code == 200


# Limits

@pytest.mark.parametrize("plan, bucket, urls", [
    ("free", 25, 100), ("pro", 25, 100), ("business", 50, 100),
    ("enterprise", 500, 500)])
def test_plan(fake, plan, bucket, urls):
    limits = fake.limit(plan=plan)
    assert limits["bucket"] == bucket
    assert fake.purge(files=URLS[:urls]).status_code == 200
    assert codes(fake.purge(files=URLS[:urls + 1])) == [1094]


def test_calls_beyond_the_bucket_are_refused(fake):
    fake.limit(bucket=2, rate=0.01)
    assert fake.purge(tags=["a"]).status_code == 200
    assert fake.invalidate(hosts=["www.example.com"]).status_code == 200
    answer = fake.purge(prefixes=["www.example.com/a"])
    assert (answer.status_code, codes(answer)) == (429, [1134])
    assert 1 <= int(answer.headers["Retry-After"]) <= 100
    assert answer.headers["x-ratelimit-limit"] == "2"
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert int(answer.headers["x-ratelimit-reset"]) >= 1
    assert fake.purge(purge_everything=True).status_code == 429


def test_urls_have_a_budget_of_their_own(fake):
    fake.limit(bucket=0, rate=0, url_rate=0.01, urls=3)
    assert fake.purge(files=URLS[:2]).status_code == 200
    assert codes(fake.purge(files=URLS[:2])) == [1134]
    assert fake.purge(files=URLS[:1]).status_code == 200
    assert codes(fake.purge(tags=["a"])) == [1134]


def test_a_refused_body_costs_nothing(fake):
    fake.limit(bucket=1, rate=0)
    assert codes(fake.purge(tags="a")) == [1014]
    assert fake.purge(tags=["a"]).status_code == 200


def test_requests_beyond_the_token_limit_are_blocked(fake):
    fake.limit(plan="free", requests=2)
    assert fake.purge(tags=["a"]).status_code == 200
    assert codes(fake.purge(tags="a")) == [1014]
    for _ in range(2):
        answer = fake.purge(tags=["a"])
        assert (answer.status_code, codes(answer)) == (429, [971])
        assert 1 <= int(answer.headers["Retry-After"]) <= 300


def test_unknown_limit(fake):
    with pytest.raises(requests.HTTPError):
        fake.limit(buckets=1)


# The control paths

def test_status_fault_is_used_up(fake):
    fake.fault(status=500, times=2)
    fake.fault(status=429, retry_after=7)
    answers = [fake.purge(tags=["a"]) for _ in range(4)]
    assert [a.status_code for a in answers] == [500, 500, 429, 200]
    assert answers[2].headers["Retry-After"] == "7"
    assert codes(answers[2]) == [1134]
    assert [c["status"] for c in fake.calls(4)] == [500, 500, 429, 200]


def test_body_fault(fake):
    fake.fault(body="garbage")
    fake.fault(body={"success": False, "errors": [], "messages": []})
    first, second = fake.purge(tags=["a"]), fake.purge(tags=["a"])
    assert (first.status_code, first.text) == (200, "garbage")
    assert (second.status_code, second.json()["success"]) == (200, False)


def test_cut_fault(fake):
    fake.fault(cut=True)
    with pytest.raises(requests.ConnectionError):
        fake.purge(tags=["a"])
    assert [c["status"] for c in fake.calls(1)] == [0]
    assert fake.purge(tags=["a"]).status_code == 200


def test_stalled_call_has_arrived_but_is_not_answered(fake):
    fake.fault(stall=1)
    thread = threading.Thread(target=requests.post, kwargs=dict(
        url=f"{fake.api}/zones/{fake.zone}/purge_cache", timeout=30,
        json={"tags": ["a"]},
        headers={"Authorization": f"Bearer {fake.token}"}))
    thread.start()
    assert fake.calls(1, state="arrived")[0]["fault"]["stall"] == 1
    assert [c["status"] for c in fake.calls(1)] == [200]
    thread.join()


class SlowJournal(cloudflare.Journal):
    def answered(self, call, status):
        time.sleep(0.3)
        super().answered(call, status)


@pytest.mark.parametrize("fault", [{}, {"status": 500}, {"cut": True}],
                         ids=str)
def test_answer_is_noted_before_it_goes_out(fault):
    """Who knows that a call is done finds it in the journal."""
    with cloudflare.Server(("127.0.0.1", 0), cloudflare.Handler) as server:
        server.zone, server.token, server.zone_names = edge.ZONE, "t", []
        server.limits = cloudflare.Limits("free")
        server.journal = SlowJournal()
        server.edge = cloudflare.Edge(None)
        server.journal.set_faults([{"times": 1, **fault}])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with contextlib.suppress(requests.ConnectionError):
            requests.post(f"http://127.0.0.1:{server.server_port}/client/v4"
                          f"/zones/{edge.ZONE}/purge_cache", timeout=30,
                          json={"tags": ["a"]},
                          headers={"Authorization": "Bearer t"})
        noted = [call["status"] for call in server.journal.calls]
        server.shutdown()
    assert noted == [0 if "cut" in fault else fault.get("status", 200)]


def test_calls_reports_what_did_not_come(fake):
    with pytest.raises(AssertionError, match="fewer than 1"):
        fake.calls(1, timeout=0)


# Cloudflare's OpenAPI document

@pytest.mark.parametrize("action", ["purge", "invalidate"])
def test_openapi_examples(fake, action):
    post = OPENAPI["paths"][f"/zones/{{zone_id}}/{action}_cache"]["post"]
    requests_ = post["requestBody"]["content"]["application/json"]["examples"]
    answers = post["responses"]
    assert len(requests_) == 6
    for example in requests_.values():
        assert fake.post(action, example["value"]).json() == \
            answers["200"]["content"]["application/json"]["example"]

    errors = answers["4XX"]["content"]["application/json"]["examples"]
    mixed = fake.post(action, {"purge_everything": True, "tags": ["a"]})
    assert mixed.json() == errors["Invalid request body"]["value"]
    fake.limit(bucket=0, rate=0)
    limited = fake.post(action, {"tags": ["a"]})
    assert limited.json() == errors["Rate limited"]["value"]


# Cloudflare's own client

@pytest.fixture(scope="module")
def sdk():
    """Installs the client once; a run of it is a list of calls."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    manifest = edge.FAKES / "node_modules/cloudflare/package.json"
    if not (manifest.exists()
            and json.loads(manifest.read_text())["version"] == SDK_VERSION):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit",
                        "--no-fund"], cwd=edge.FAKES, check=True)

    def run(fake, *calls, token=None):
        calls = [{"do": do, "params": {"zone_id": fake.zone, **params}}
                 for do, params in calls]
        done = subprocess.run(
            ["node", edge.FAKES / "sdk.mjs"], input=json.dumps(calls),
            capture_output=True, text=True, check=True, timeout=120,
            env={**os.environ, "CLOUDFLARE_BASE_URL": fake.api,
                 "CLOUDFLARE_API_TOKEN": token or fake.token})
        return json.loads(done.stdout)
    return run


def test_sdk_selectors(fake, sdk):
    bodies = [{"tags": ["a", "b"]}, {"hosts": ["www.example.com"]},
              {"prefixes": ["www.example.com/a"]}, {"files": URLS[:2]},
              {"files": [{"url": URLS[0],
                          "headers": {"Origin": "https://o"}}]},
              {"purge_everything": True}]
    calls = [(do, b) for do in ("purge", "invalidate") for b in bodies]
    outcomes = sdk(fake, *calls, ("verify", {}))
    assert outcomes[:-1] == [{"result": {"id": fake.zone}, "waits": []}] * 12
    assert outcomes[-1]["result"]["status"] == "active"
    assert [(c["action"], c["body"]) for c in fake.calls(12)] == calls


def test_sdk_errors(fake, sdk):
    bad, alien = sdk(fake, ("purge", {"tags": "a"}),
                     ("purge", {"tags": ["a"], "zone_id": "0" * 32}))
    assert (bad["error"], bad["status"]) == ("BadRequestError", 400)
    assert bad["codes"] == [1014]
    assert (alien["error"], alien["status"]) == ("PermissionDeniedError", 403)
    [unknown] = sdk(fake, ("purge", {"tags": ["a"]}), token="wrong")
    assert unknown["error"] == "AuthenticationError"
    assert unknown["status"] == 401
    assert unknown["codes"] == [10000]
    assert len(fake.calls(3)) == 3          # none of these is tried again


def test_sdk_retries_and_honours_retry_after(fake, sdk):
    fake.fault(status=429, retry_after=7)
    fake.fault(status=500)
    [outcome] = sdk(fake, ("purge", {"tags": ["a"]}))
    assert outcome["result"] == {"id": fake.zone}
    assert outcome["waits"][0] == 7000
    assert [c["status"] for c in fake.calls(3)] == [429, 500, 200]


def test_sdk_gives_up_on_a_real_limit(fake, sdk):
    fake.limit(bucket=0, rate=0.1)
    [outcome] = sdk(fake, ("purge", {"tags": ["a"]}))
    assert (outcome["error"], outcome["codes"]) == ("RateLimitError", [1134])
    assert outcome["waits"] == [10000, 10000]
    assert [c["status"] for c in fake.calls(3)] == [429] * 3
