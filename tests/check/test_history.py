"""The judge, on histories made by hand: rows of writes, reads, verdict; and
what operations say of keys."""

import pytest

from history import ABSENT, FOREVER, Read, Refusal, Success, Write, judge
from operations import LARGE, PART, History, body, etags, value_of


def w(value, begin, end=FOREVER):
    return Write(value, begin, end, end < FOREVER)


def perhaps(value, begin, end):
    """It was open, and is over."""
    return Write(value, begin, end, False)


def r(value, begin, end):
    return Read(value, begin, end, "node")


A, B = w("a", 0, 1), w("b", 2, 3)

ROWS = [
    ("nothing at all", [], [], []),
    ("absent at first", [], [r(ABSENT, 0, 1)], []),
    ("the newest", [A, B], [r("b", 4, 5)], []),
    ("older than acknowledged", [A, B], [r("a", 4, 5)], ["overtaken"]),
    ("concurrent: the older", [A, B], [r("a", 2.5, 4)], []),
    ("concurrent: the newer", [A, B], [r("b", 2.5, 2.7)], []),
    ("began before, ended after", [A, B], [r("a", 1.5, 9)], []),
    ("not written yet", [A, B], [r("b", 0, 1)], ["invented"]),
    ("never written", [A], [r("x", 2, 3)], ["invented"]),
    ("absent after a write", [A], [r(ABSENT, 2, 3)], ["overtaken"]),
    ("absent before a write has ended", [A], [r(ABSENT, 0.5, 3)], []),

    ("deleted", [A, w(ABSENT, 2, 3)], [r(ABSENT, 4, 5)], []),
    ("there after it was deleted", [A, w(ABSENT, 2, 3)], [r("a", 4, 5)],
     ["overtaken"]),
    ("written again, absent", [A, w(ABSENT, 2, 3), w("c", 4, 5)],
     [r(ABSENT, 6, 7)], ["overtaken"]),
    ("deletion and write at once", [w("c", 0, 5), w(ABSENT, 1, 6)],
     [r(ABSENT, 7, 8), r("c", 9, 10)], ["displaced"]),

    ("unknown, not applied", [A, w("b", 2)], [r("a", 9, 10)], []),
    ("unknown, applied", [A, w("b", 2)], [r("b", 9, 10)], []),
    ("unknown, applied late", [A, w("b", 2), w("c", 4, 5)],
     [r("b", 9, 10)], []),
    ("unknown excuses nobody else", [A, w("b", 2), w("c", 4, 5)],
     [r("a", 9, 10)], ["overtaken"]),
    ("unknown deletion", [A, w(ABSENT, 2)], [r(ABSENT, 9, 10)], []),

    ("two at once, either", [w("a", 0, 5), w("b", 1, 6)],
     [r("a", 7, 8)], []),
    ("two at once, one and then the other", [w("a", 0, 5), w("b", 1, 6)],
     [r("a", 7, 8), r("b", 9, 10)], ["displaced"]),
    ("... while the reads overlap", [w("a", 0, 5), w("b", 1, 6)],
     [r("a", 7, 9), r("b", 8, 10)], []),
    ("... while one is not acknowledged", [w("a", 0, 5), w("b", 1, 9)],
     [r("b", 6, 7), r("a", 8, 9)], []),
    ("... which the first read has not waited for",
     [w("a", 0, 5), w("b", 1, 6)], [r("b", 3, 4), r("a", 8, 9)], []),

    ("the same value again", [A, B, w("a", 4, 5)], [r("a", 6, 7)], []),
    ("... before it came again", [A, B, w("a", 6, 7)], [r("a", 4, 5)],
     ["overtaken"]),
    ("... overtaken again", [A, B, w("a", 4, 5), w("b", 6, 7)],
     [r("a", 8, 9)], ["overtaken"]),
    ("... displaces", [A, w("b", 2, 5), w("a", 3, 6)],
     [r("a", 7, 8), r("b", 9, 10)], ["displaced"]),
    ("... does not displace what may have come back",
     [w("a", 0, 5), w("b", 1, 6), w("a", 8, 9)],
     [r("b", 7, 7.5), r("a", 10, 11)], []),
    ("over: may have been applied", [A, perhaps("b", 2, 5)], [r("b", 6, 7)],
     []),
    ("over: or not", [A, perhaps("b", 2, 5)], [r("a", 6, 7)], []),
    ("over: excuses nothing that begins later",
     [A, perhaps("b", 2, 5), w("c", 6, 7)], [r("b", 8, 9)], ["overtaken"]),
    ("over: what was seen is there",
     [A, perhaps("b", 2, 5)], [r("b", 3, 4), r("a", 6, 7)], ["displaced"]),
]

# writes, refusals and successes, verdict
CONDITIONS = [
    ("it is there", [A], [Refusal("a", 2, 3, "n")], ["refused"]),
    ("it was replaced", [A, B], [Refusal("a", 4, 5, "n")], []),
    ("it is being replaced", [A, B], [Refusal("a", 1.5, 2.5, "n")], []),
    ("it may have been replaced", [A, w("b", 2)], [Refusal("a", 4, 5, "n")],
     []),
    ("it may have come later", [w("c", 0, 2), w("a", 1, 2)],
     [Refusal("a", 4, 5, "n")], []),
    ("it has come back", [A, B, w("a", 4, 5)], [Refusal("a", 6, 7, "n")],
     ["refused"]),
    ("nothing was there", [], [Refusal(ABSENT, 2, 3, "n")], ["refused"]),
    ("something was there", [A], [Refusal(ABSENT, 2, 3, "n")], []),

    ("one wins", [A, B], [Success("a", 2, 3, "n")], []),
    ("two win", [A, B, w("c", 2, 4)],
     [Success("a", 2, 3, "n"), Success("a", 2, 4, "n")], ["twice"]),
    ("two win, one after the other", [A, B, w("c", 5, 6)],
     [Success("a", 2, 3, "n"), Success("a", 5, 6, "n")], ["twice"]),
    ("it came back between", [A, B, w("a", 3, 4), w("c", 5, 6)],
     [Success("a", 2, 3, "n"), Success("a", 5, 6, "n")], []),
    ("two create", [w("a", 1, 3), w("b", 2, 4)],
     [Success(ABSENT, 1, 3, "n"), Success(ABSENT, 2, 4, "n")], ["twice"]),
    ("a deletion between", [w("a", 1, 2), w(ABSENT, 3, 4), w("b", 5, 6)],
     [Success(ABSENT, 1, 2, "n"), Success(ABSENT, 5, 6, "n")], []),
]

# operations, reads at the end of /t and /s, verdict
PUT_A = ("write", "/s", "a", 0, 1, 204)
PUT_B = ("write", "/s", "b", 2, 3, 204)
LATE = 100


def moved(kind, value, begin, end, status, **more):
    return (kind, "/s", etags(value)[0] if value else None, begin, end,
            status, {"target": "/t", **more})


OPERATIONS = [
    ("copied", [PUT_A, moved("copy", "a", 2, 3, 201)], "a", "a", []),
    ("copied, not there", [PUT_A, moved("copy", "a", 2, 3, 201)], None, "a",
     ["overtaken"]),
    ("copied what was older", [PUT_A, PUT_B, moved("copy", "a", 4, 5, 201)],
     "a", "b", ["overtaken"]),
    ("copied what never was", [PUT_A, moved("copy", "x", 4, 5, 201)],
     etags("x")[0], "a", ["invented"]),
    ("copied what was being written", [PUT_A, PUT_B,
                                       moved("copy", "a", 2.5, 4, 201)],
     "a", "b", []),
    ("copied twice", [PUT_A, ("read", "/t", "a", 2.5, 2.6, 200), PUT_B,
                      moved("copy", "b", 1, 4, 201)], "b", "b", []),
    ("copied nothing", [PUT_A, moved("copy", None, 2, 3, 404)], None, "a",
     ["overtaken"]),
    ("perhaps copied", [PUT_A, moved("copy", None, 2, 3, 0)], "a", "a", []),
    ("perhaps not", [PUT_A, moved("copy", None, 2, 3, 503)], None, "a", []),
    ("perhaps copied, what was later", [moved("copy", None, 0.5, 0.6, 0),
                                        PUT_A], "a", "a", []),
    ("perhaps copied, what was older", [PUT_A, PUT_B,
                                        moved("copy", None, 4, 5, 0)],
     "a", "b", ["invented"]),
    ("moved", [PUT_A, moved("move", "a", 2, 3, 201)], "a", None, []),
    ("moved, and there", [PUT_A, moved("move", "a", 2, 3, 201)], "a", "a",
     ["overtaken"]),
    ("half moved", [PUT_A, moved("move", None, 2, 3, 409)], "a", "a", []),
    ("half moved, and gone", [PUT_A, moved("move", None, 2, 3, 409)], "a",
     None, ["overtaken"]),
    ("perhaps moved", [PUT_A, moved("move", None, 2, 3, 502)], "a", None, []),
    ("perhaps not moved", [PUT_A, moved("move", None, 2, 3, 502)], None, "a",
     []),
    ("copied on a condition", [PUT_A, moved("copy", "a", 2, 3, 201,
                                            expected="a")], "a", "a", []),
    ("... that did not hold", [PUT_A, PUT_B, moved("copy", "b", 4, 5, 201,
                                                   expected="a")],
     "b", "b", ["overtaken"]),
    ("... refused", [PUT_A, moved("copy", None, 2, 3, 412, expected="a")],
     None, "a", ["refused"]),
    ("copied to nothing", [PUT_A, moved("copy", "a", 2, 3, 201, alone=True)],
     "a", "a", []),
    ("... where something is", [PUT_A, ("write", "/t", "c", 0, 1, 201),
                                moved("copy", "a", 2, 3, 201, alone=True)],
     "a", "a", ["overtaken"]),
    ("... by two at once", [PUT_A, moved("copy", "a", 2, 3, 201, alone=True),
                            moved("move", "a", 2, 4, 201, alone=True)],
     "a", None, ["twice"]),
    ("... refused", [PUT_A, moved("copy", None, 2, 3, 412, alone=True)], None,
     "a", ["refused"]),
    ("restored", [PUT_A, PUT_B, ("restore", "/s", etags("a")[0], 4, 5, 204)],
     None, "a", []),
    ("restored, not there", [PUT_A, PUT_B, ("restore", "/s", etags("a")[0], 4,
                                            5, 204)], None, "b",
     ["overtaken"]),
    ("perhaps restored", [PUT_A, PUT_B, ("restore", "/s", etags("a")[0], 4, 5,
                                         502)], None, "a", []),
    ("perhaps copied, what was restored",
     [PUT_A, PUT_B, ("restore", "/s", etags("a")[0], 4, 5, 204),
      moved("copy", None, 6, 7, 0)], "a", "a", []),
    ("restored on a condition", [PUT_A, PUT_B, (
        "restore", "/s", etags("a")[0], 4, 5, 204, {"expected": "x"})], None,
     "a", ["invented"]),
    ("deleted, with others", [PUT_A, ("batch", "/s", None, 2, 3, 200)], None,
     "a", ["overtaken"]),
    ("nothing to delete", [PUT_A, ("delete", "/s", None, 2, 3, 404)], None,
     "a", ["overtaken"]),
    ("a PUT on a condition", [PUT_A, ("write", "/s", "b", 2, 3, 204,
                                      {"expected": "x"})], None, "b",
     ["invented"]),
]


@pytest.mark.parametrize("writes, reads, verdict",
                         [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_judge(writes, reads, verdict):
    assert [v.rule for v in judge(writes, reads)] == verdict


@pytest.mark.parametrize("writes, conditions, verdict",
                         [row[1:] for row in CONDITIONS],
                         ids=[r[0] for r in CONDITIONS])
def test_judge_conditions(writes, conditions, verdict):
    kinds = {kind: [c for c in conditions if isinstance(c, kind)]
             for kind in (Refusal, Success)}
    assert [v.rule for v in judge(writes, [], kinds[Refusal],
                                  kinds[Success])] == verdict


@pytest.mark.parametrize("operations, target, source, verdict",
                         [row[1:] for row in OPERATIONS],
                         ids=[r[0] for r in OPERATIONS])
def test_operations(operations, target, source, verdict):
    history = History()
    for kind, key, value, begin, end, status, *more in operations:
        history.add(kind, key, value, begin, end, status, "n0",
                    **(more[0] if more else {}))
    history.close(LATE)
    for key, value in ("/t", target), ("/s", source):
        history.add("read", key, value, LATE, LATE + 1,
                    200 if value else 404, "n1")
    assert [v.rule for _, v in history.violations()] == verdict


@pytest.mark.parametrize("value", ["a", "a" + LARGE])
def test_a_body_tells_its_value(value):
    assert value_of(body(value)) == value


def test_a_body_of_two_objects_is_seen():
    one, two = body("a" + LARGE), body("b" + LARGE)
    assert len(one) > PART
    for cut in 1, PART, len(one) - 3:
        assert value_of(one[:cut] + two[cut:]) not in ("a+", "b+")
    assert value_of(one[:PART]) != "a+"


def test_etags_are_those_of_s3_and_of_files():
    assert '"0cc175b9c0f1b6a831c399e269772661"' in etags("a")
    assert any(etag.endswith('-2"') for etag in etags("a" + LARGE))
