"""GET /-/metrics, read by Prometheus's own parser: the numbers of the status."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import EDITOR, ROOT, Nginx, problem, wait_until

# In the status, not among the samples of a section.
NOT_NUMBERS = {"node", "history", "nodes"}


def metrics(node):
    """{(name, labels): value} and {name: type}; no name comes twice."""
    answer = node.get("/-/metrics", token=EDITOR)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == (
        "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    values, types = {}, {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.name not in types
        types[family.name] = family.type
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert (sample.name, labels) not in values
            values[sample.name, labels] = sample.value
    return values, types


def named(values, name):
    """The samples of one metric, by their labels."""
    return {labels: value for (n, labels), value in values.items()
            if n == name}


@pytest.fixture
def node(tmp_path, redis):
    with Nginx(tmp_path / "n", redis=redis, workers=2,
               fleet="on lease=1s name=n1",
               http="content_memory 16m;") as nginx:
        wait_until(lambda: nginx.counters()["fleet"]["lease"] > 0,
                   what="a lease")
        yield nginx


def test_every_number_of_the_status_is_documented(node):
    """In the table of its section in docs/operations.md."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    tables = dict(re.findall(
        r"^\| (\w+)(?:, .*)? \|.*\n\|---\|---\|\n((?:\|.*\n)+)", text, re.M))
    for section, numbers in node.counters().items():
        if section == "s3":
            continue                # by endpoint
        assert [name for name in set(numbers) - NOT_NUMBERS
                if f"`{name}`" not in tables[section]] == [], section


def test_every_number_of_the_status_is_a_metric(node):
    node.put("/a", b"x")
    for _ in range(5):
        node.get("/a")
    status = node.counters()
    values, types = metrics(node)

    for section in set(status) - {"s3"}:
        for name in set(status[section]) - NOT_NUMBERS:
            metric = f"ngx_content_{section}_{name}"
            kind = types.get(metric, types.get(f"{metric}_seconds"))
            assert kind in ("counter", "gauge"), metric
    assert types["ngx_content_node_requests"] == "counter"
    assert types["ngx_content_memory_bytes"] == "gauge"


def test_values_are_those_of_the_status(node):
    node.put("/a", b"x" * 1000)
    status = node.counters()
    values, _ = metrics(node)
    assert values["ngx_content_node_puts_total", ()] == 1
    assert values["ngx_content_node_bytes_in_total", ()] == 1000
    assert values["ngx_content_node_requests_total", ()] == (
        status["node"]["requests"] + 1)
    assert values["ngx_content_memory_size", ()] == status["memory"]["size"]
    assert values["ngx_content_redis_ready", ()] in (0, 1)
    assert 0 < values["ngx_content_fleet_lease_seconds", ()] <= 1


def test_nodes_are_told_apart_by_labels(node):
    status = node.counters()["fleet"]
    values, _ = metrics(node)
    labels = (("name", "n1"), ("node", status["node"]))
    assert named(values, "ngx_content_fleet_node_live") == {labels: 1}
    assert 0 <= values["ngx_content_fleet_node_seen_seconds", labels] < 60
    assert 0 <= values["ngx_content_fleet_node_lag_seconds", labels] < 60
    assert named(values, "ngx_content_fleet_info") == {
        (("history", status["history"]), ("node", status["node"])): 1}


def test_alone_there_are_no_nodes(tmp_path):
    with Nginx(tmp_path / "n") as node:
        values, types = metrics(node)
    assert not [name for name in types if "_fleet_" in name]
    assert not [name for name in types if "_memory_" in name]
    assert values["ngx_content_redis_ready", ()] == 0


def test_s3_servers_are_told_apart_by_their_place(tmp_path, bucket):
    with Nginx(tmp_path / "n", bucket,
               location="content_s3_probe read;") as node:
        wait_until(lambda: any(s3["probed"] for s3
                               in node.counters()["s3"].values()),
                   what="the probe")
        places = node.counters()["s3"]
        values, _ = metrics(node)
    for metric in ("probed_timestamp_seconds", "probes_failed_total",
                   "skew_seconds"):
        samples = named(values, f"ngx_content_s3_{metric}")
        assert {dict(labels)["place"] for labels in samples} == set(places)


def test_metrics_are_for_admins(node):
    problem(node.get("/-/metrics"), 401)
    answer = node.post("/-/metrics", {})
    problem(answer, 405, "GET")
    assert answer.headers["Allow"] == "GET"
    assert node.request("HEAD", "/-/metrics", token=EDITOR).status == 200
