"""The short form of the consistency checker (tests/check): is any read older
than an acknowledged write, while everything breaks?  And in the moments that
the rules of docs/coherence.md are for?
"""

import pytest

import consistency

SECONDS, OPERATIONS = 15, 20_000


@pytest.mark.parametrize("name", consistency.once())
def test_no_read_is_older_in_the_scene_of(tmp_path, s3, name):
    found = consistency.Found()
    consistency.a_scene(tmp_path / "scene", s3, name, found)
    assert not found.violations
    assert found.operations["read"] and found.operations["write"]


@pytest.mark.parametrize("keep", [True, False], ids=["aof", "memory"])
def test_no_read_is_older_on_s3(tmp_path, s3, keep):
    check(tmp_path, s3, keep)


def test_no_read_is_older_on_files(tmp_path):
    check(tmp_path, None, True)


def check(workdir, s3, keep):
    found = consistency.Found()
    consistency.a_round(workdir / "round", s3, keep, OPERATIONS, SECONDS,
                        consistency.random.randrange(1_000_000), found)
    consistency.show(found)
    assert not found.violations
    for kind in ("read", "write", "write if", "delete", "batch", "copy",
                 "move", "purge"):
        assert found.operations[kind], kind
    assert found.faults
