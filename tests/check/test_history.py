"""The judge, on histories made by hand: rows of writes, reads, verdict."""

import pytest

from history import ABSENT, FOREVER, Read, Write, judge


def w(value, begin, end=FOREVER):
    return Write(value, begin, end)


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
     [r(ABSENT, 7, 8), r("c", 9, 10)], []),

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
]


@pytest.mark.parametrize("writes, reads, verdict",
                         [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_judge(writes, reads, verdict):
    assert [v.rule for v in judge(writes, reads)] == verdict
