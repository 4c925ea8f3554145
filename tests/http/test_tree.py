"""What the tree says of itself: files that the documentation names are there,
the map has all, and a layer includes only what lies below it."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "src/README.md",
                    *ROOT.glob("tests/*/README.md"),
                    *ROOT.glob("docs/**/*.md")])

# What each layer may include, itself aside.
BELOW = {
    "lib": set(),
    "core": {"lib"},
    "store": {"lib", "core"},
    "cache": {"lib", "core"},
    "cdn": {"lib", "core"},
    "http": {"lib", "core", "store", "cache", "cdn"},
}


@pytest.mark.parametrize("document", DOCUMENTS,
                         ids=lambda d: str(d.relative_to(ROOT)))
def test_files_that_a_document_names_exist(document):
    text = document.read_text(encoding="utf-8")
    names = re.findall(r"`((?:(?:src/)?(?:lib|core|store|cache|cdn|http)"
                       r"|conf|scripts|tests|docs)/[\w./-]+\.\w+)`", text)
    missing = [name for name in names
               if not any((place / name).exists()
                          for place in (ROOT, ROOT / "src"))]
    assert missing == []


def anchors(document):
    """Of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
            for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS,
                         ids=lambda d: str(d.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    dead = []
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_map_has_every_source_file():
    """By its name, by the end of it (`_reply.c`), or by the function that it
    has the name of."""
    text = (ROOT / "src/README.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\w+", text))
    ends = tuple(re.findall(r"`(_\w+)\.c`", text))
    assert [file.name for file in sorted((ROOT / "src").glob("*/*.c"))
            if file.stem not in names and not file.stem.endswith(ends)] == []


@pytest.mark.parametrize("layer", BELOW)
def test_layer_includes_downward_only(layer):
    upward = []
    for file in sorted((ROOT / "src" / layer).glob("*.[ch]")):
        text = file.read_text(encoding="utf-8")
        for other in re.findall(r'#include "(\w+)/', text):
            if other != layer and other not in BELOW[layer]:
                upward.append(f"{file.name}: {other}")
    assert upward == []


def test_lib_knows_nothing_of_nginx():
    assert [file.name for file in sorted((ROOT / "src/lib").glob("*.[ch]"))
            if "#include <ngx" in file.read_text(encoding="utf-8")] == []
