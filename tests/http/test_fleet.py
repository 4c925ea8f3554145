"""Three nodes on one storage and one Redis: what one of them has answered for,
no other contradicts, whatever becomes of the nodes, Redis and the messages.
"""

import concurrent.futures
import contextlib
import os
import signal

import pytest

from harness import EDITOR, Nginx, problem, tier, wait_until

FLEET = "on lease=1s"


class Fleet:
    """Nodes that share the files of the first."""

    def __init__(self, workdir, redis, count=3, fleet=FLEET, **how):
        self.redis = redis
        self.nodes = []
        for i in range(count):
            settings = dict(http="content_memory 16m;", workers=2)
            settings.update(how)
            node = Nginx(workdir / f"n{i}", redis=redis, start=False,
                         fleet=f"{fleet} name=n{i}", **settings)
            first = self.nodes[0] if self.nodes else node
            node.write(server=node.settings["server"].replace(
                str(node.files), str(first.files)))
            node.start()
            self.nodes.append(node)
        for node in self.nodes:
            self.wait(node)

    def wait(self, node):
        wait_until(lambda: has_lease(node), what="a lease")

    def __iter__(self):
        return iter(self.nodes)

    def __getitem__(self, i):
        return self.nodes[i]

    def warm(self, path):
        """Every node has it in memory."""
        for node in self.nodes:
            heat(node, path)

    def stop(self, failed=False):
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.end if failed else node.stop)


def has_lease(node):
    return node.counters()["fleet"]["lease"] > 0


def heat(node, path):
    wait_until(lambda: tier(node.get(path)) == "memory",
               what=f"{path} to come from memory")


@pytest.fixture
def fleet(tmp_path, redis):
    nodes = Fleet(tmp_path, redis)
    yield nodes
    nodes.stop()


@contextlib.contextmanager
def paused(node):
    """A node all of whose processes are stopped."""
    pids = [node.process.pid, *node.workers()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


# What is written here is read there

def test_written_on_one_is_read_on_all(fleet):
    for i in range(30):
        body = b"%d" % i
        answer = fleet[i % 3].put("/a", body)
        assert answer.status in (201, 204), answer
        for node in fleet:
            assert node.get("/a").body == body
    fleet.warm("/a")
    assert fleet[0].counters()["fleet"]["waited"] == 0


def test_memory_of_the_others_forgets(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    assert fleet[0].put("/a", b"new").status == 204
    for node in fleet:
        answer = node.get("/a")
        assert answer.body == b"new" and tier(answer) != "memory"


def test_deleted_on_one_is_gone_on_all(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    assert fleet[1].delete("/a").status == 204
    for node in fleet:
        assert node.get("/a").status == 404


@pytest.mark.parametrize("purge", [
    {"urls": ["http://x/a"]}, {"tags": ["t"]}, {"prefixes": ["x/a"]},
    {"hosts": ["x"]}, {"everything": True}])
def test_purged_on_one_is_forgotten_by_all(tmp_path, fleet, purge):
    fleet[0].put("/a", b"old", cache_tag="t")
    fleet.warm("/a")
    behind_its_back(tmp_path, fleet, "/a", b"new")
    assert fleet[2].get("/a").body == b"old"
    answer = fleet[1].post("/-/purge", purge)
    assert answer.status == 202, answer
    for node in fleet:
        assert node.get("/a").body == b"new"


@pytest.mark.parametrize("purge", [{"tags": ["T"]}, {"prefixes": ["x/a/"]}])
def test_purge_of_a_tag_or_a_prefix_leaves_others_in_memory(fleet, purge):
    fleet[0].put("/a/1", b"x", cache_tag="s,t")
    fleet[0].put("/a/2", b"x", cache_tag="t")
    fleet[0].put("/b", b"x", cache_tag="u")
    for path in ("/a/1", "/a/2", "/b"):
        fleet.warm(path)
    assert fleet[1].post("/-/purge", purge).status == 202
    for node in fleet:
        assert tier(node.get("/a/1")) != "memory"
        assert tier(node.head("/a/2")) != "memory"
        assert tier(node.get("/b")) == "memory"
    fleet.warm("/a/1")


def behind_its_back(workdir, fleet, path, body):
    """Changes what is stored, as somebody who does not tell the fleet."""
    other = Nginx(workdir / "other", start=False)
    other.write(server=other.settings["server"].replace(
        str(other.files), str(fleet[0].files)))
    other.start()
    with other:
        assert other.put(path, body, cache_tag="t").status == 204


def test_moved_on_one_is_moved_on_all(fleet):
    fleet[0].put("/a", b"x")
    fleet.warm("/a")
    answer = fleet[1].request("MOVE", "/a", token=EDITOR, destination="/b")
    assert answer.status == 201, answer
    for node in fleet:
        assert node.get("/a").status == 404
        assert node.get("/b").body == b"x"


def test_other_records_stay_in_memory(fleet):
    for path in ("/a", "/b"):
        fleet[0].put(path, b"x")
        fleet.warm(path)
    fleet[0].put("/a", b"y")
    for node in fleet:
        assert tier(node.get("/b")) == "memory"


def test_many_writers_and_readers_never_see_older(fleet):
    """Every read is of the last answered write, or of one under way."""
    done = 0

    def write():
        nonlocal done
        for i in range(1, 120):
            answer = fleet[i % 3].put("/a", b"%d" % i)
            assert answer.status in (201, 204), answer
            done = i

    def read(node):
        seen = 0
        while not writer.done():
            least = done
            answer = node.get("/a")
            if answer.status == 200:
                assert int(answer.body) >= least
                seen += 1
        return seen

    fleet[0].put("/a", b"0")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        writer = pool.submit(write)
        readers = [pool.submit(read, node) for node in fleet]
        writer.result()
        assert all(reader.result() > 50 for reader in readers)


# Nodes that do not answer

def test_paused_node_holds_a_write_up_no_longer_than_its_lease(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    with paused(fleet[2]):
        answer = fleet[0].put("/a", b"new", timeout=20)
        assert answer.status == 204, answer
        assert fleet[1].get("/a").body == b"new"
    assert fleet[2].get("/a").body == b"new"
    assert fleet[0].counters()["fleet"]["waited"] == 1
    fleet.wait(fleet[2])


def test_request_that_came_while_the_node_was_paused_is_not_stale(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    with fleet[2].connect() as connection:
        with paused(fleet[2]):
            assert fleet[0].put("/a", b"new").status == 204
            connection.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.answer().body == b"new"


def test_node_counts_by_when_it_was_heard_here(tmp_path, redis):
    """Whatever Redis says of its last ping, as when its clock was set."""
    fleet = Fleet(tmp_path, redis, fleet="on lease=12s")
    try:
        redis.client.delete("nc:{fleet}:new")   # that Redis is new
        fleet[0].put("/a", b"old")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with paused(fleet[2]):
                third, = (name for name in
                          redis.client.zrange("nc:{fleet}:nodes", 0, -1)
                          if name.endswith(b" n2"))
                redis.client.zadd("nc:{fleet}:nodes", {third: 1})
                told = fleet[1].counters()["fleet"]["forgotten"]
                writing = pool.submit(fleet[0].put, "/a", b"new")
                wait_until(lambda: fleet[1].counters()["fleet"]["forgotten"]
                           > told)
                for _ in range(20):             # its word is heard meanwhile
                    fleet[0].counters()
                assert not writing.done()
            assert writing.result().status == 204
        assert fleet[0].counters()["fleet"]["waited"] == 0
    finally:
        fleet.stop()


def test_dead_node_holds_up_one_lease_at_most(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    fleet[2].expect.append(r"signal 9")
    for pid in [fleet[2].process.pid, *fleet[2].workers()]:
        os.kill(pid, signal.SIGKILL)
    fleet[2].process.wait()
    assert fleet[0].put("/a", b"new", timeout=20).status == 204
    assert fleet[1].get("/a").body == b"new"
    waited = fleet[0].counters()["fleet"]["waited"]
    for i in range(5):
        assert fleet[0].put("/a", b"%d" % i).status == 204
    assert fleet[0].counters()["fleet"]["waited"] == waited
    fleet.nodes.pop()


# The control worker

def control(node):
    return node.counters()["fleet"]["control"]


def test_killed_control_worker_is_replaced(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    before = control(fleet[1])
    fleet[1].kill_worker(before)
    assert fleet[1].get("/a").body == b"old"
    wait_until(lambda: control(fleet[1]) not in (0, before))
    fleet.wait(fleet[1])
    for i in range(3):
        assert fleet[0].put("/a", b"%d" % i).status == 204
        assert fleet[1].get("/a").body == b"%d" % i


def test_control_worker_that_stands_still_is_replaced(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    before = control(fleet[1])
    os.kill(before, signal.SIGSTOP)
    try:
        wait_until(lambda: any_answer(fleet[1], before))
        assert fleet[0].put("/a", b"new", timeout=20).status == 204
    finally:
        os.kill(before, signal.SIGCONT)
    for _ in range(10):
        assert fleet[1].get("/a").body == b"new"


def any_answer(node, before):
    """Half of the connections are accepted by the one that stands still."""
    with contextlib.suppress(OSError):
        answer = node.get("/-/status", token=EDITOR, timeout=0.2)
        return answer.json()["fleet"]["control"] not in (0, before)
    return False


def test_reload_hands_the_role_over(fleet):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    before = control(fleet[1])
    fleet[1].reload()
    wait_until(lambda: control(fleet[1]) not in (0, before))
    fleet.wait(fleet[1])
    assert fleet[0].put("/a", b"new").status == 204
    assert fleet[1].get("/a").body == b"new"


# Redis

def test_cut_connections_empty_the_memory(fleet, redis):
    fleet[0].put("/a", b"x")
    fleet.warm("/a")
    emptied = fleet[1].counters()["fleet"]["emptied"]
    redis.client.client_kill_filter(_type="pubsub")
    wait_until(lambda: fleet[1].counters()["fleet"]["emptied"] > emptied)
    answer = fleet[1].get("/a")
    assert answer.body == b"x" and tier(answer) != "memory"


def test_restarted_redis_brings_nothing_older_back(fleet, redis):
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    redis.restart()
    write(fleet[0], "/a", b"new")
    for node in fleet:
        assert node.get("/a").body == b"new"
    for node in fleet:
        fleet.wait(node)
    for i in range(5):
        write(fleet[i % 3], "/a", b"%d" % i)
        for node in fleet:
            assert node.get("/a").body == b"%d" % i


def write(node, path, body):
    """Until Redis takes the intent."""
    wait_until(lambda: node.put(path, body, timeout=20).status in (201, 204),
               what="a write to be taken")


def test_write_without_redis_is_refused_and_changes_nothing(fleet, redis):
    fleet[0].put("/a", b"old")
    redis.kill()
    wait_until(lambda: fleet[0].put("/a", b"new").status == 503)
    answer = fleet[0].put("/b", b"new")
    problem(answer, 503, "nothing was changed")
    assert answer.headers["Retry-After"]
    problem(fleet[0].delete("/a"), 503, "nothing was changed")
    problem(fleet[0].post("/-/purge", {"tags": ["x"]}), 503)
    problem(fleet[0].post("/-/delete", {"keys": ["a"]}), 503)
    problem(fleet[0].request("COPY", "/a", token=EDITOR, destination="/c"),
            503, "nothing was changed")
    for node in fleet:
        assert node.get("/a").body == b"old"
        assert node.get("/b").status == 404
        assert node.get("/c").status == 404
    redis.start()
    write(fleet[0], "/a", b"new")
    for node in fleet:
        assert node.get("/a").body == b"new"


def test_write_waits_for_the_first_connection_to_redis(tmp_path, redis):
    """So that no write fails when a node starts or reloads."""
    redis.pause()
    with (Nginx(tmp_path / "n", redis=redis, fleet=FLEET, workers=1,
                http="content_redis_timeout 20s;") as node,
          concurrent.futures.ThreadPoolExecutor(1) as pool):
        put = pool.submit(node.put, "/a", b"new")
        wait_until(lambda: node.counters()["node"]["puts"] == 1)
        redis.resume()
        assert put.result().status == 201


def test_node_without_lease_answers_but_not_from_memory(fleet, redis):
    fleet[0].put("/a", b"x")
    fleet.warm("/a")
    redis.kill()
    wait_until(lambda: tier(fleet[1].get("/a")) == "file")
    assert fleet[1].get("/a").body == b"x"


def test_redis_that_may_evict_the_fleet_gives_no_lease(tmp_path, redis):
    redis.client.config_set("maxmemory", "100mb")
    redis.client.config_set("maxmemory-policy", "allkeys-lru")
    with Nginx(tmp_path / "n", redis=redis, fleet=FLEET,
               http="content_memory 16m;") as node:
        wait_until(lambda: "maxmemory-policy" in node.read_log())
        assert not has_lease(node)
        redis.client.config_set("maxmemory-policy", "volatile-lru")
        wait_until(lambda: has_lease(node))


def test_write_of_which_other_nodes_may_not_know_is_504(fleet, redis):
    """Redis does not say whether they were told; the intent stays."""
    fleet[0].put("/a", b"old")
    redis.client.delete("nc:{fleet}:new")
    redis.client.lpush("nc:{fleet}:new", "no number")
    problem(fleet[0].put("/a", b"new", timeout=20), 504)
    assert redis.client.xlen("nc:{fleet}:intents") == 1
    redis.client.delete("nc:{fleet}:new")
    assert fleet[0].put("/a", b"newer").status == 204


@pytest.mark.parametrize("entry", ["91", "1ffff", "1000", "1ffff" + "k" * 65535],
                         ids=["kind", "end", "length", "long"])
def test_notice_that_can_not_be_read_empties_the_memory(fleet, redis, entry):
    """As one of a node of another version."""
    fleet[0].put("/a", b"old")
    fleet.warm("/a")
    told = fleet[1].counters()["fleet"]["forgotten"]
    redis.client.publish("nc:{fleet}", "f" + 4 * 16 * "0" + entry)
    wait_until(lambda: fleet[1].counters()["fleet"]["forgotten"] > told)
    assert tier(fleet[1].get("/a")) != "memory"


# Intents

def test_intents_are_settled(fleet, redis):
    for i in range(10):
        fleet[0].put("/a", b"%d" % i)
        fleet[1].delete("/a")
    fleet[0].delete("/none")
    fleet[0].put("/b", b"x")
    fleet[0].put("/b", b"y", if_none_match="*")
    wait_until(lambda: redis.client.xlen("nc:{fleet}:intents") == 0)
    assert fleet[0].counters()["fleet"]["taken"] == 0


def test_intent_of_a_dead_writer_is_taken_over(tmp_path, redis):
    """What a writer leaves that dies between storage and the end: the object
    has changed, the caches have not been told, the intent is there."""
    fleet = Fleet(tmp_path, redis, fleet=FLEET + " deadline=1s")
    try:
        fleet[0].put("/a", b"old")
        fleet.warm("/a")
        behind_its_back(tmp_path, fleet, "/a", b"new")
        assert fleet[1].get("/a").body == b"old"
        leave_intent(redis, "/a", place(redis, fleet[0]))
        for node in fleet:
            wait_until(lambda n=node: n.get("/a").body == b"new",
                       what="the intent to be taken over")
        wait_until(lambda: redis.client.xlen("nc:{fleet}:intents") == 0)
        assert sum(n.counters()["fleet"]["taken"] for n in fleet) >= 1
    finally:
        fleet.stop()


def place(redis, node):
    """The id of its storage, as it is in the intents."""
    with redis.client.monitor() as monitor:
        assert node.put("/place", b"x").status in (201, 204)
        for command in monitor.listen():
            if "XADD" in command["command"]:
                return command["command"].split()[-1][:32]
    return None


def leave_intent(redis, path, head):
    key = path[1:]
    entry = redis.client.xadd("nc:{fleet}:intents", {
        "n": "dead", "c": f"{head}1{len(key):04x}{key}"})
    redis.client.xclaim("nc:{fleet}:intents", "fleet", "dead", 0, [entry],
                        force=True, justid=True)


def test_nodes_are_in_the_status(fleet):
    def names():
        nodes = fleet[0].counters()["fleet"]["nodes"]
        return sorted(n["name"] for n in nodes if n["live"])
    wait_until(lambda: names() == ["n0", "n1", "n2"])


def test_alone_needs_no_redis_to_write(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis) as origin:
        redis.kill()
        wait_until(lambda: not origin.counters()["redis"]["ready"])
        assert origin.put("/a", b"x").status == 201
