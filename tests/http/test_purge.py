"""Purges: what changed here is told to the CDN, in batches, until it is
taken or refused for good; editors see what became of it; nobody waits.
"""

import concurrent.futures
import hashlib
import pathlib
import re
import signal
import time

import pytest

import edge
from harness import EDITOR, Nginx, connections, problem, wait_until
from s3_fault_proxy import FaultProxy, first

FAST = "content_purge_plan enterprise;"


@pytest.fixture
def origin(tmp_path, fake):
    with Nginx(tmp_path / "n", purge=fake, server=FAST) as nginx:
        yield nginx


def tag_of(path):
    return "c" + hashlib.sha256(path[1:].encode()).hexdigest()[:20]


def purge(origin, body):
    """POST /-/purge; where the job is."""
    answer = origin.post("/-/purge", body)
    assert answer.status == 202, answer
    return answer.headers["Location"]


def items(calls, selector="tags"):
    """All items of all calls that were answered well."""
    return [item for call in calls if call["status"] == 200
            for item in call["body"].get(selector, [])]


# Writes

def test_put_that_replaces_purges_the_objects_tag(origin, fake):
    origin.put("/img/a b.png".replace(" ", "%20"), b"1")
    answer = origin.put("/img/a%20b.png", b"2")
    job = origin.finished_job(answer.headers["X-Content-Purge"])
    assert job["state"] == "done"
    call, = fake.calls(least=1)
    assert call["action"] == "purge"
    assert call["body"] == {"tags": [tag_of("/img/a b.png")]}
    assert origin.get("/img/a%20b.png").headers["Cache-Tag"] == (
        call["body"]["tags"][0])


def test_delete_purges_the_objects_tag(origin, fake):
    origin.put("/a", b"1")
    answer = origin.delete("/a")
    origin.finished_job(answer.headers["X-Content-Purge"])
    call, = fake.calls(least=1)
    assert call["body"] == {"tags": [tag_of("/a")]}


def test_what_changes_nothing_at_the_cdn_purges_nothing(origin, fake):
    answers = [origin.put("/a", b"1"),
               origin.put("/a", b"2", if_match='"no"'),
               origin.put("/a", b"2", if_none_match="*"),
               origin.put("/a?q", b"2"),
               origin.put("/a", b"2", token="wrong"),
               origin.delete("/absent"), origin.get("/a"), origin.head("/a")]
    assert all("X-Content-Purge" not in a.headers for a in answers)
    assert origin.counters()["purge"]["pending"] == 0
    assert fake.calls() == []


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_put_and_delete_on_s3_purge_too(tmp_path, fake, store, key):
    with Nginx(tmp_path / "n", store, purge=fake, server=FAST) as origin:
        assert "X-Content-Purge" not in origin.put(key, b"1").headers
        for answer in (origin.put(key, b"2"), origin.delete(key)):
            job = origin.finished_job(answer.headers["X-Content-Purge"])
            assert job["state"] == "done"
        assert items(fake.calls()) == [tag_of(key)] * 2


def test_job_tells_its_story(origin):
    before = int(time.time())
    origin.put("/a", b"1")
    location = origin.put("/a", b"2").headers["X-Content-Purge"]
    assert re.fullmatch(r"/-/purge/[0-9a-f]{32}", location)
    job = origin.finished_job(location)
    assert job["id"] == location.rpartition("/")[2]
    assert before - 1 <= job.pop("created") <= job.pop("finished")
    del job["id"]
    assert job == {"state": "done", "items": 1, "done": 1, "failed": 0,
                   "attempts": 1, "error": None}


def test_cdn_is_told_after_storage_and_redis(tmp_path, fake, redis):
    """Whoever refills from here when the purge arrives gets the new."""
    with FaultProxy(fake.address) as proxy:
        with Nginx(tmp_path / "n", purge=fake, redis=redis, server=FAST
                   + "content_hot hits=1;", start=False) as origin:
            origin.write(server=origin.settings["server"].replace(
                fake.address, proxy.endpoint.removeprefix("http://")))
            origin.start()
            origin.put("/a", b"0")
            seen = []
            for i in range(1, 10):
                proxy.fault(first(
                    lambda: seen.append(origin.get("/a").body)))
                wait_until(lambda: origin.get("/a").headers["Cache-Status"]
                           .endswith("redis"))
                answer = origin.put("/a", b"%d" % i)
                origin.finished_job(answer.headers["X-Content-Purge"])
            assert seen == [b"%d" % i for i in range(1, 10)]


# What editors ask for

@pytest.mark.parametrize("body, sent", [
    ({"urls": ["https://www.example.com/a?b=c"]},
     {"files": ["https://www.example.com/a?b=c"]}),
    ({"urls": ["http://example.com"]}, {"files": ["http://example.com"]}),
    ({"tags": ["News", "a-b_c.d"]}, {"tags": ["News", "a-b_c.d"]}),
    ({"prefixes": ["www.example.com/a/b"]},
     {"prefixes": ["www.example.com/a/b"]}),
    ({"hosts": ["www.example.com"]}, {"hosts": ["www.example.com"]}),
    ({"everything": True}, {"purge_everything": True}),
])
def test_selector_is_sent_as_cloudflare_wants_it(origin, fake, body, sent):
    answer = origin.post("/-/purge", body)
    assert answer.status == 202
    location, = answer.all("Location")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"id": location.rpartition("/")[2],
                             "state": "queued",
                             "items": len(list(body.values())[0])
                             if body != {"everything": True} else 1}
    job = origin.finished_job(location)
    assert job["state"] == "done" and job["done"] == job["items"]
    call, = fake.calls(least=1)
    assert call["body"] == sent


def test_selectors_can_be_combined(origin, fake):
    location = purge(origin, {
        "urls": ["https://example.com/1", "https://example.com/2"],
        "tags": ["a"], "prefixes": ["example.com/p"],
        "hosts": ["www.example.com"]})
    job = origin.finished_job(location)
    assert (job["state"], job["items"], job["done"]) == ("done", 5, 5)
    bodies = [call["body"] for call in fake.calls(least=4)]
    assert sorted(bodies, key=str) == sorted([
        {"files": ["https://example.com/1", "https://example.com/2"]},
        {"tags": ["a"]}, {"prefixes": ["example.com/p"]},
        {"hosts": ["www.example.com"]}], key=str)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory, shared_fake):
    """For requests that must come to nothing."""
    nginx = Nginx(tmp_path_factory.mktemp("quiet"), purge=shared_fake,
                  server=FAST)
    yield nginx
    calls = nginx.counters()["purge"]["calls"]
    nginx.stop()
    assert calls == 0


@pytest.mark.parametrize("name, body, word", [
    ("empty", b"", "JSON"), ("no JSON", b"{tags:[]}", "JSON"),
    ("cut", b'{"tags":["a"', "JSON"), ("two", b'{"tags":["a"]}{}', "JSON"),
    ("UTF-8", b'{"tags":["\xff"]}', "JSON"), ("NUL", b'{"tags":["\0"]}',
                                               "JSON"),
    ("array", ["a"], "object"), ("text", "tags", ""), ("null", None, ""),
    ("nothing", {}, "nothing"), ("empty list", {"tags": []}, "nothing"),
    ("empty lists", {"tags": [], "urls": []}, "nothing"),
    ("unknown", {"files": ["https://example.com/"]}, "unknown"),
    ("unknown beside", {"tags": ["a"], "x": []}, "unknown"),
    ("twice", b'{"tags":["a"],"tags":["b"]}', "twice"),
    ("everything, false", {"everything": False}, "everything"),
    ("everything, 1", {"everything": 1}, "everything"),
    ("everything, list", {"everything": ["a"]}, "everything"),
    ("everything and more", {"everything": True, "tags": ["a"]},
     "everything"),
    ("no list", {"tags": "a"}, "tags"), ("object", {"urls": {}}, "urls"),
    ("number", {"tags": ["a", 1]}, "tags[1]"),
    ("null in a list", {"hosts": [None]}, "hosts[0]"),
    ("empty tag", {"tags": [""]}, "tags[0]"),
    ("space", {"tags": ["a", "b", "c d"]}, "tags[2]"),
    ("comma", {"tags": ["a,b"]}, "tags[0]"),
    ("control", {"tags": ["a\nb"]}, "tags[0]"),
    ("not ASCII", {"tags": ["\u00e4"]}, "tags[0]"),
    ("long tag", {"tags": ["x" * 1025]}, "tags[0]"),
    ("no scheme", {"urls": ["www.example.com/a"]}, "urls[0]"),
    ("path", {"urls": ["/a"]}, "urls[0]"),
    ("ftp", {"urls": ["ftp://example.com/a"]}, "urls[0]"),
    ("fragment", {"urls": ["https://example.com/a#b"]}, "urls[0]"),
    ("user", {"urls": ["https://u:p@example.com/"]}, "urls[0]"),
    ("no host", {"urls": ["https:///a"]}, "urls[0]"),
    ("port", {"urls": ["https://example.com:99999/"]}, "urls[0]"),
    ("quote", {"urls": ['https://example.com/"']}, "urls[0]"),
    ("long URL", {"urls": ["https://example.com/" + "a" * 4096]}, "urls[0]"),
    ("prefix with a scheme", {"prefixes": ["https://example.com/a"]},
     "prefixes[0]"),
    ("prefix with a query", {"prefixes": ["example.com/a?b"]},
     "prefixes[0]"),
    ("prefix with a fragment", {"prefixes": ["example.com/a#b"]},
     "prefixes[0]"),
    ("32 separators", {"prefixes": ["example.com" + "/a" * 32]},
     "prefixes[0]"),
    ("prefix without a host", {"prefixes": ["/a"]}, "prefixes[0]"),
    ("host with a scheme", {"hosts": ["https://example.com"]}, "hosts[0]"),
    ("host with a port", {"hosts": ["example.com:80"]}, "hosts[0]"),
    ("host with a path", {"hosts": ["example.com/a"]}, "hosts[0]"),
    ("host, dots", {"hosts": ["a..b"]}, "hosts[0]"),
    ("10,001 items", {"tags": ["a"] * 10001}, "10001"),
])
def test_bad_purge_is_400_and_says_where(quiet, name, body, word):
    document = problem(quiet.post("/-/purge", body), 400)
    assert word.lower() in document["detail"].lower(), document


def test_too_long_purge_is_413(quiet):
    problem(quiet.post("/-/purge", b'{"tags":["' + b"x" * (8 << 20) + b'"]}'),
            413)


def test_chunked_purge_is_taken(origin):
    answer = origin.request("POST", "/-/purge", token=EDITOR,
                            chunks=[b'{"tags":', b'["a"]}'])
    assert answer.status == 202
    assert origin.finished_job(answer.headers["Location"])["state"] == "done"


@pytest.mark.parametrize("job", ["0" * 32, "f" * 31, "f" * 33, "g" * 32, "1",
                                 "../list", "%00"])
def test_unknown_job_is_404(quiet, job):
    answer = quiet.get(f"/-/purge/{job}", token=EDITOR)
    assert answer.status in (400, 404)
    problem(answer, 400 if job in ("../list", "%00") else 404)


# Batches

@pytest.mark.parametrize("selector, field, plan, most, item", [
    ("tags", "tags", "enterprise", 100, "tag{}"),
    ("hosts", "hosts", "enterprise", 100, "h{}.example.com"),
    ("prefixes", "prefixes", "enterprise", 100, "example.com/{}"),
    ("urls", "files", "enterprise", 500, "https://example.com/{}"),
    ("urls", "files", "free", 100, "https://example.com/{}"),
    ("tags", "tags", "free", 100, "tag{}"),
])
def test_many_items_are_sent_in_batches(tmp_path, fake, selector, field, plan,
                                        most, item):
    fake.reset(plan)
    with Nginx(tmp_path / "n", purge=fake,
               server=f"content_purge_plan {plan};") as origin:
        sent = [item.format(i) for i in range(750)]
        job = origin.finished_job(purge(origin, {selector: sent}))
        assert (job["state"], job["done"]) == ("done", 750)
        calls = fake.calls()
        assert all(len(call["body"][field]) <= most for call in calls)
        assert all(call["status"] == 200 for call in calls)
        assert sorted(items(calls, field)) == sorted(sent)
        assert len(calls) <= 750 // most + 3


def test_ten_thousand_items_are_one_job(origin, fake):
    sent = [f"t{i}" for i in range(10000)]
    job = origin.finished_job(purge(origin, {"tags": sent}))
    assert (job["state"], job["done"]) == ("done", 10000)
    assert sorted(items(fake.calls())) == sorted(sent)


def test_writes_at_once_share_calls(origin, fake):
    paths = [f"/{i}" for i in range(60)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for body in (b"1", b"2"):
            answers = list(pool.map(lambda p, b=body: origin.put(p, b),
                                    paths))
    for answer in answers:
        job = origin.finished_job(answer.headers["X-Content-Purge"])
        assert job["state"] == "done"
    calls = fake.calls()
    assert sorted(items(calls)) == sorted(tag_of(p) for p in paths)
    assert len(calls) < 40


# The CDN is slow, ill, or says no

@pytest.mark.parametrize("fault", [
    {"status": 500}, {"status": 502, "body": "<html>bad gateway</html>"},
    {"status": 503}, {"status": 520, "body": ""}, {"cut": True},
    {"status": 408},
    {"status": 429, "retry_after": 1}, {"status": 200, "body": "no JSON"},
    {"status": 200, "body": "[]"}, {"status": 302, "body": ""},
], ids=str)
def test_fault_is_tried_again_until_done(origin, fake, fault):
    fake.fault(**fault)
    job = origin.finished_job(purge(origin, {"tags": ["a", "b"]}))
    assert job["state"] == "done"
    assert (job["done"], job["failed"], job["error"]) == (2, 0, None)
    assert job["attempts"] == 2
    assert fake.calls(least=2)[-1]["body"] == {"tags": ["a", "b"]}


@pytest.mark.parametrize("fault", [{"stall": 30}, {"stall": 30, "cut": True}],
                         ids=str)
def test_call_that_takes_too_long_is_made_again(tmp_path, fake, fault):
    fake.fault(**fault)
    with Nginx(tmp_path / "n", purge=fake, server=FAST
               + "content_purge_timeout 4s;") as origin:
        job = origin.finished_job(purge(origin, {"tags": ["a", "b"]}))
        assert job["state"] == "done"
        assert (job["done"], job["failed"], job["error"]) == (2, 0, None)
        assert job["attempts"] == 2
        first, second = fake.calls()
        assert first["status"] is None
        assert second["body"] == first["body"] == {"tags": ["a", "b"]}


def test_fault_after_fault_is_tried_again(origin, fake):
    fake.fault(status=500, times=3)
    location = purge(origin, {"tags": ["a"]})
    fake.calls(least=1)
    job = wait_until(lambda: (j := origin.job(location))["error"] and j)
    assert job["state"] in ("queued", "running")
    assert "10001" in job["error"] and job["finished"] is None
    job = origin.finished_job(location, 60)
    assert (job["state"], job["attempts"]) == ("done", 4)
    assert origin.counters()["purge"]["retries"] >= 3


def test_retry_after_is_honoured(origin, fake):
    fake.fault(status=429, retry_after=2)
    first = purge(origin, {"tags": ["a"]})
    wait_until(lambda: origin.job(first)["error"])
    second = purge(origin, {"tags": ["b"]})       # must wait as well
    origin.finished_job(second)
    calls = fake.calls(least=2)
    assert calls[1]["time"] - calls[0]["time"] >= 1.9
    assert sorted(items(calls)) == ["a", "b"]


def test_plan_is_kept(tmp_path, fake):
    """30 calls on a plan of 5 a second, 25 at once."""
    fake.reset("pro")
    with Nginx(tmp_path / "n", purge=fake, workers=1,
               server="content_purge_plan pro;") as origin:
        jobs = [purge(origin, {"everything": True}) for _ in range(30)]
        for job in jobs:
            assert origin.finished_job(job)["state"] == "done"
        calls = fake.calls()
        assert sum(call["status"] == 200 for call in calls) == 30
        # a call that was faster on its way than the first one
        assert sum(call["status"] == 429 for call in calls) <= 2
        assert calls[-1]["time"] - calls[0]["time"] >= 0.7


def test_urls_are_counted_one_by_one(tmp_path, fake):
    """Not the calls that they go in, of which few would do."""
    fake.reset("free")
    with Nginx(tmp_path / "n", purge=fake, workers=1) as origin:
        urls = [f"https://www.example.com/{i}" for i in range(2500)]
        assert origin.finished_job(purge(origin, {"urls": urls}))[
            "state"] == "done"
        calls = fake.calls()
        assert {url for call in calls if call["status"] == 200
                for url in call["body"]["files"]} == set(urls)
        assert sum(call["status"] == 429 for call in calls) <= 2
        assert len(calls) < 40                  # but not in a call each


def test_what_is_too_much_for_the_cdn_is_sent_later(origin, fake):
    fake.limit(bucket=2, rate=2)                  # another node uses the rest
    jobs = [purge(origin, {"everything": True}) for _ in range(6)]
    for job in jobs:
        assert origin.finished_job(job, 60)["state"] == "done"
    calls = fake.calls()
    assert sum(call["status"] == 200 for call in calls) == 6
    assert sum(call["status"] == 429 for call in calls) < 20


def test_bad_item_does_not_spoil_the_others(origin, fake):
    good = [f"h{i}.example.com" for i in range(20)]
    location = purge(origin, {"hosts": [*good[:7], "www.example.org",
                                        *good[7:]]})
    job = origin.finished_job(location)
    assert (job["state"], job["items"]) == ("failed", 21)
    assert (job["done"], job["failed"]) == (20, 1)
    assert "1082" in job["error"] or "1016" in job["error"]
    last = [c["body"]["hosts"] for c in fake.calls() if c["status"] == 200]
    assert ["www.example.org"] in last
    assert set(good) <= {host for hosts in last for host in hosts}


def test_refused_batch_is_split(origin, fake):
    fake.fault(status=400, body={"success": False, "result": None,
                                 "messages": [], "errors": [
                                     {"code": 1100, "message": "bad tag"}]})
    sent = [f"t{i}" for i in range(10)]
    job = origin.finished_job(purge(origin, {"tags": sent}))
    assert (job["state"], job["done"]) == ("done", 10)
    calls = fake.calls()
    assert max(len(call["body"]["tags"]) for call in calls[1:]) < 10
    assert sorted(items(calls)) == sorted(sent)


def test_refusal_of_a_single_item_is_final(origin, fake):
    fake.fault(status=400, body={"success": False, "result": None,
                                 "messages": [], "errors": [
                                     {"code": 1100, "message": "bad tag"}]})
    job = origin.finished_job(purge(origin, {"tags": ["a"]}))
    assert (job["state"], job["failed"]) == ("failed", 1)
    assert "1100" in job["error"]
    assert len(fake.calls()) == 1
    assert "given up" in origin.read_log()


@pytest.mark.parametrize("fault", [{"status": 403}, {"status": 401},
                                   {"status": 404, "body": ""}])
def test_operators_mistake_is_shown_and_nothing_is_lost(origin, fake, fault):
    fake.fault(**fault)
    location = purge(origin, {"tags": ["a"]})
    job = wait_until(lambda: (j := origin.job(location))["error"] and j)
    assert job["state"] in ("queued", "running")
    assert job["failed"] == 0
    assert "check" in job["error"]
    assert origin.counters()["purge"]["pending"] == 1
    origin.end(signal.SIGTERM)          # QUIT would wait for it
    assert "still queued" in origin.read_log()


def test_purges_delay_no_other_requests(origin, fake):
    origin.put("/a", b"0")
    fake.fault(stall=60, times=1000)
    for i in range(40):
        assert origin.put("/a", b"%d" % i).status == 204
        assert origin.get("/a").body == b"%d" % i
        assert fake.calls(least=1, state="arrived")
    assert {call["status"] for call in fake.calls()} == {None}
    assert origin.counters()["purge"]["retries"] == 0   # nor by a time-out
    origin.end(signal.SIGTERM)


def test_api_that_is_down_gets_everything_when_it_is_back(tmp_path, fake):
    with FaultProxy(fake.address) as proxy:
        with Nginx(tmp_path / "n", purge=fake, server=FAST,
                   start=False) as origin:
            origin.write(server=origin.settings["server"].replace(
                fake.address, proxy.endpoint.removeprefix("http://")))
            origin.start()
            proxy.refuse()
            origin.put("/a", b"1")
            locations = [origin.put("/a", b"2").headers["X-Content-Purge"],
                         purge(origin, {"tags": ["x"]}),
                         origin.delete("/a").headers["X-Content-Purge"]]
            wait_until(lambda: all(origin.job(l)["attempts"] >= 1
                                   for l in locations))
            assert fake.calls() == []
            proxy.accept()
            for location in locations:
                assert origin.finished_job(location)["state"] == "done"
            assert set(items(fake.calls())) == {tag_of("/a"), "x"}


def test_full_queue_says_so_and_recovers(tmp_path, fake):
    with FaultProxy(fake.address) as proxy:
        with Nginx(tmp_path / "n", purge=fake, server=FAST,
                   http="content_zone 4m;", start=False,
                   expect=["can't be queued"]) as origin:
            origin.write(server=origin.settings["server"].replace(
                fake.address, proxy.endpoint.removeprefix("http://")))
            origin.start()
            proxy.refuse()
            origin.put("/a", b"1")
            accepted = small = 0
            for size in (5000, 500, 50, 5, 1):
                answer = None
                while answer is None or answer.status == 202:
                    answer = origin.post("/-/purge", {"tags": [
                        f"c{accepted + n:020}" for n in range(size)]})
                    accepted += size
                    small += size < 5000 and answer.status == 202
                problem(answer, 503)
                assert answer.headers["Retry-After"]
            assert accepted > 1000
            assert small                # what was refused has taken no room
            answer = origin.put("/a", b"2")
            assert answer.status == 204
            assert answer.headers["X-Content-Purge"] == "lost"
            assert origin.get("/a").body == b"2"
            proxy.accept()
            wait_until(lambda: origin.counters()["purge"]["pending"] == 0, 60)
            location = origin.put("/a", b"3").headers["X-Content-Purge"]
            assert origin.finished_job(location)["state"] == "done"


# Workers come and go

def test_worker_that_is_killed_leaves_its_purges_to_others(origin, fake):
    fake.fault(stall=60)
    location = purge(origin, {"tags": ["a"]})
    fake.calls(least=1, state="arrived")
    port = int(fake.address.rpartition(":")[2])
    sender, = wait_until(lambda: [pid for pid in origin.workers()
                                  if connections(pid, port)])
    origin.kill_worker(sender)
    assert origin.job(location)["state"] == "running"
    job = origin.finished_job(location, 60)       # 10 s and the time-out
    assert job["state"] == "done"
    assert len(fake.calls()) == 2


def test_reload_loses_no_purge(origin, fake):
    fake.fault(stall=0.7, times=2)
    locations = [purge(origin, {"tags": [f"t{i}"]}) for i in range(5)]
    fake.calls(least=1, state="arrived")
    origin.reload()
    for location in locations:
        assert origin.finished_job(location)["state"] == "done"
    assert set(items(fake.calls())) == {f"t{i}" for i in range(5)}


def test_stop_waits_for_the_queue(tmp_path, place, fake):
    with Nginx(tmp_path / "n", place, purge=fake, server=FAST) as origin:
        fake.fault(status=500)
        origin.put("/a", b"1")
        origin.put("/a", b"2")
    assert items(fake.calls()) == [tag_of("/a")]


# Settings

def test_purge_by_urls_sends_the_visitors_url(tmp_path, place, fake):
    with Nginx(tmp_path / "n", place, purge=fake, server=FAST
               + "content_purge_by urls https://www.example.com/;") as origin:
        for path in ("/a%20b/%C3%A9.png", "/plain"):
            origin.put(path, b"1")
            answer = origin.put(path, b"2")
            origin.finished_job(answer.headers["X-Content-Purge"])
        assert items(fake.calls(), "files") == [
            "https://www.example.com/a%20b/%C3%A9.png",
            "https://www.example.com/plain"]


def test_invalidate_is_called_instead(tmp_path, place, fake):
    with Nginx(tmp_path / "n", place, purge=fake, server=FAST
               + "content_purge_action invalidate;") as origin:
        origin.put("/a", b"1")
        origin.finished_job(origin.put("/a", b"2").headers["X-Content-Purge"])
        call, = fake.calls(least=1)
        assert call["action"] == "invalidate"
        assert call["body"] == {"tags": [tag_of("/a")]}


def test_without_a_cdn_a_purge_is_done_at_once(tmp_path):
    with Nginx(tmp_path / "n") as origin:
        origin.put("/a", b"1")
        assert "X-Content-Purge" not in origin.put("/a", b"2").headers
        answer = origin.post("/-/purge", {"tags": ["a"]})
        assert answer.json()["state"] == "done"
        job = origin.job(answer.headers["Location"])
        assert (job["state"], job["done"]) == ("done", 1)


def test_cdn_keeps_longer_what_is_purged(origin):
    origin.put("/a", b"x")
    assert origin.get("/a").headers["CDN-Cache-Control"].startswith(
        "max-age=86400,")


def test_each_zone_gets_its_own_purges(tmp_path, fake):
    with edge.start_fake_cloudflare(zone="f" * 32, token="other-token",
                                    plan="enterprise") as other:
        token = tmp_path / "other"
        token.write_text("other-token")
        with Nginx(tmp_path / "n", purge=fake, server=FAST + f"""
                   location /other/ {{ content file;
                       content_purge_api {other.api};
                       content_purge_zone_id {other.zone};
                       content_purge_token file {token}; }}""") as origin:
            for path in ("/a", "/other/a"):
                origin.put(path, b"1")
                answer = origin.put(path, b"2")
                origin.finished_job(answer.headers["X-Content-Purge"])
            assert items(fake.calls()) == [tag_of("/a")]
            assert items(other.calls()) == [tag_of("/other/a")]
