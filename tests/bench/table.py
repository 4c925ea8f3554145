"""The tables of docs/benchmarks.md, out of the results and the goals."""

import cache
import machine
import peers
from peers import SIZES, size_text

BEGIN = "<!-- Written by `make bench` from here on. -->\n"
END = "<!-- End of what `make bench` writes. -->\n"

SUBJECTS = {p.name: p.title for p in (
    peers.OursMemory, peers.OursRedis, peers.OursFile, peers.Return,
    peers.Static, peers.StaticNopush, peers.H2o, peers.ProxyCache, peers.Varnish, peers.Srcache)}



def ratio_of(series, base):
    return lambda results: results.ratio(series, base)


def ratio_to_static(size):
    """Against the faster one of nginx's static files."""
    def ratio(results):
        return results.ratio(f"hot/{size}/l1", results.best(
            [f"hot/{size}/static", f"hot/{size}/static_nopush"]))
    return ratio


def value_of(series):
    """(median, smallest, largest) of a series that is compared with nothing."""
    def value(results):
        values = results.values(series)
        return (results.median(series), min(values), max(values)
                ) if values else None
    return value


AT_LEAST, AT_MOST = ">=", "<="

# (what, its (median, smallest, largest) or None, goal)
GOALS = (
    ("L1 hit 1 KiB / `return 200`",
     ratio_of("hot/1 KiB/l1", "hot/1 KiB/return"), AT_LEAST, 0.95),
    ("L1 hit 1 KiB / static file, `tcp_nopush` on or off: the faster",
     ratio_to_static("1 KiB"), AT_LEAST, 1.3),
    ("L1 hit 1 KiB / proxy_cache",
     ratio_of("hot/1 KiB/l1", "hot/1 KiB/proxy_cache"), AT_LEAST, 1.8),
    ("L1 hit 1 KiB / Varnish",
     ratio_of("hot/1 KiB/l1", "hot/1 KiB/varnish"), AT_LEAST, 2.5),
    ("L1 hit 16 KiB / static file, the same",
     ratio_to_static("16 KiB"), AT_LEAST, 1.2),
    ("L1 hit 128 KiB / static file (sendfile), the same",
     ratio_to_static("128 KiB"), AT_LEAST, 1.0),
    ("L1 hit 1 MiB / static file (sendfile), the same",
     ratio_to_static("1 MiB"), AT_LEAST, 1.0),
    ("Redis hit 1 KiB / srcache and memcached",
     ratio_of("hot/1 KiB/redis", "hot/1 KiB/srcache"), AT_LEAST, 1.5),
    ("the same, 10,000 objects of up to 2 KiB, one at random",
     ratio_of("second/redis_many", "second/srcache_many"), AT_LEAST, 1.5),
    ("Redis hit 1 KiB / redis-benchmark GET",
     ratio_of("ceiling/ours", "ceiling/get"), AT_LEAST, 0.6),
    ("304 from the record / `return 304`",
     ratio_of("304/ours", "304/return"), AT_LEAST, 0.9),
    ("L1 hits, a million records / ten thousand",
     ratio_of("records/many", "records/few"), AT_LEAST, 0.9),
    ("L1 hits, ten million records / ten thousand, computed from the look-up",
     cache.computed, AT_LEAST, 0.9),
    ("bytes of the zone for a small record, beyond key, headers and body",
     value_of("records/bytes"), AT_MOST, 128),
    ("Zipf mix with a scan, zone of a tenth: hits / simulated S3-FIFO",
     ratio_of("mix/ours", "mix/s3fifo"), AT_LEAST, 0.97),
    ("the same: hits / simulated LRU",
     ratio_of("mix/ours", "mix/lru"), AT_LEAST, 1.0),
    ("1,000 misses of one cold object of 1 MiB: reads of S3",
     value_of("misses/near/reads"), AT_MOST, 1),
    ("the same: first byte of the last waiter / of the first, S3 on this "
     "machine", value_of("misses/near/wait"), AT_MOST, 1.2),
    ("the same, S3 with a first byte after 100 ms",
     value_of("misses/far/wait"), AT_MOST, 1.2),
    ("PUT of 64 MiB to S3 / curl straight into it, payload signed by both",
     ratio_of("put/medium/s3", "put/medium/curl/signed"), AT_LEAST, 0.95),
    ("the same, signed by neither",
     ratio_of("put/medium/s3_unsigned", "put/medium/curl/unsigned"), AT_LEAST,
     0.95),
    ("the same, signed by neither, a client that sends 1 Gbit/s",
     ratio_of("put/link/s3_unsigned", "put/link/curl/unsigned"), AT_LEAST,
     0.95),
    ("PUT of 1 GiB to S3 / curl straight into it, payload signed by both",
     ratio_of("put/large/s3", "put/large/curl/signed"), AT_LEAST, 0.95),
    ("the same, signed by neither",
     ratio_of("put/large/s3_unsigned", "put/large/curl/unsigned"), AT_LEAST,
     0.95),
    ("GET of 64 MiB from S3, uncached / proxy_pass",
     ratio_of("get/s3", "get/proxy_pass"), AT_LEAST, 0.97),
    ("the same / proxy_pass with a signature, too",
     ratio_of("get/s3", "get/proxy_signed"), AT_LEAST, 0.97),
    ("GET of 4 KiB from S3, uncached / proxy_pass",
     ratio_of("small/s3", "small/proxy_pass"), AT_LEAST, 0.95),
    ("the same / proxy_pass with a signature, too",
     ratio_of("small/s3", "small/proxy_signed"), AT_LEAST, 0.95),
    ("200 uploads of 64 MiB at once: complete, of all",
     value_of("uploads/complete"), AT_LEAST, 1),
    ("the same: p99 of other requests meanwhile / idle",
     value_of("uploads/wait"), AT_MOST, 2),
    ("what three nodes add to a PUT, ms, median",
     value_of("coherence/put/p50"), AT_MOST, 2),
    ("the same, p99", value_of("coherence/put/p99"), AT_MOST, 10),
    ("L1 hit with three nodes / alone",
     ratio_of("coherence/hit/fleet", "coherence/hit/alone"), AT_LEAST, 0.98),
    ("purge of one of 10,000 tags of what is in memory, three nodes, ms, "
     "median", value_of("tags/full/p50"), AT_MOST, 5),
    ("the same, p99", value_of("tags/full/p99"), AT_MOST, 5),
)

FULL = 0.97                             # a core as busy as it can be


def goals(results):
    """[{"goal", "bound", "value", "low", "high", "met"}]; value None: n/a."""
    rows = []
    for what, find, relation, bound in GOALS:
        middle, low, high = find(results) or (None, None, None)
        met = None
        if middle is not None:
            met = middle >= bound if relation == AT_LEAST else middle <= bound
        rows.append({"goal": what, "bound": f"{relation} {bound}",
                     "value": middle, "low": low, "high": high, "met": met})
    return rows


def markdown(document, results):
    sections = (about(document), goal_table(document), hot_table(results),
                hot_ratios(results), core_ratios(results),
                redis_note(document, results),
                cache_table(document, results), coherence_table(results),
                tags_table(document, results),
                storage_table(document, results), absent(document))
    return "\n".join(s for s in sections if s)


def rows_text(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def about(document):
    m, s = document["machine"], document["settings"]
    versions = ", ".join(f"{n} {v}" for n, v in document["versions"].items())
    text = (f"Taken {document['when']} in {document['took_seconds']} s: "
            f"{s['rounds']} rounds of {s['seconds_each']} s (a third as many "
            f"of what takes longer), {s['connections']} connections.\n\n"
            f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, "
            f"{m['system']}, Linux {m['kernel']}. {versions}.\n\n"
            "What could not be controlled:\n\n")
    if s["quick"]:
        text = "**QUICK=1: these figures mean nothing.**\n\n" + text
    return text + "".join(f"- {line}\n" for line in document["not_controlled"])


def goal_table(document):
    rows = []
    for g in document["goals"]:
        if g["value"] is None:
            rows.append([g["goal"], g["bound"], "n/a", "", "n/a"])
            continue
        rows.append([g["goal"], g["bound"], short(g["value"]),
                     f"{short(g['low'])} to {short(g['high'])}",
                     "met" if g["met"] else "**not met**"])
    return "### Goals\n\n" + rows_text(
        ["requests or bytes per second, as ratios, where nothing else is said",
         "goal", "here", "rounds", ""], rows)


def short(number):
    return f"{number:.2f}" if abs(number) < 100 else f"{number:,.0f}"


def hot_cell(results, name):
    middle = results.median(name)
    if middle is None:
        return "n/a"
    full = results.median(name, "client_core") >= FULL
    return f"{middle:,.0f} ±{results.spread(name) / 2:.0%}" + "†" * full


def any_of(results, part):
    return any(name.startswith(part + "/") for name in results.series)


def hot_table(results):
    if not any_of(results, "hot"):
        return ""
    rows = [[title, *(hot_cell(results, f"hot/{size_text(s)}/{name}")
                      for s in SIZES)]
            for name, title in SUBJECTS.items()]
    for name, title in (("ours", "**ngx_content**, 304 from the record"),
                        ("return", "nginx `return 304`")):
        rows.append([title, hot_cell(results, f"304/{name}"), "", "", ""])
    return ("### Hot objects, requests/s\n\n" + rows_text(
        ["", *(size_text(s) for s in SIZES)], rows)
            + "\n† The load generator's core was full: the server could "
              "have done more.\n")


def hot_ratios(results):
    return ratios_to_static(
        results.ratio, "### The same, nginx's static file being 1", results)


def core_ratios(results):
    """What the core could do if the load generator's weren't full."""
    return ratios_to_static(
        lambda name, to: results.ratio(name, to, per="server_core"),
        "### Requests per second that the server's core was busy, nginx's "
        "static file being 1", results)


def ratios_to_static(ratio_of_series, title, results):
    if results.median("hot/1 KiB/static") is None:
        return ""
    rows = []
    for name, subject in SUBJECTS.items():
        cells = []
        for size in SIZES:
            ratio = ratio_of_series(f"hot/{size_text(size)}/{name}",
                                    f"hot/{size_text(size)}/static")
            cells.append(f"{ratio[0]:.2f}" if ratio else "n/a")
        rows.append([subject, *cells])
    return title + "\n\n" + rows_text(
        ["", *(size_text(s) for s in SIZES)], rows)


def redis_note(document, results):
    depth = document["notes"].get("redis_depth")
    if depth is None:
        return ""
    rate = results.median("ceiling/get") or 0
    return ("### Redis by itself\n\n"
            "A worker has one connection to Redis, on which the look-ups of "
            "all its clients are pipelined; those of one object that go "
            "together, as all do here, are one question. There were "
            f"{depth} of them per read of Redis's socket, so redis-benchmark was "
            f"run with `-c 1 -P {depth}`, in the place of the worker: "
            f"{rate:,.0f}/s with GET of a string of 1 KiB.\n")


def cache_table(document, results):
    rows = []
    notes = document["notes"]
    for name, what in (("few", "10,000"),
                       ("many", f"{notes.get('records', 0):,}")):
        if results.median(f"records/{name}") is not None:
            rows.append([f"L1 hits, {what} records, a key at random, "
                         "requests/s", value(results, f"records/{name}"), ""])
    for name, what in (("few", "10,000"),
                       ("many", f"{notes.get('look_up_records', 0):,}")):
        if results.median(f"records/lookup/{name}") is not None:
            rows.append([f"a look-up by itself, {what} records, ns",
                         value(results, f"records/lookup/{name}"), ""])
    made = notes.get("record_bytes")
    if made:
        each = made["zone"] / made["records"]
        rows.append(["bytes of the zone for the smallest record",
                     f"{each:.0f}", f"{made['own']:.0f} of them are key, "
                     "headers and body"])
    if "mix" in notes:
        rows += mix_rows(notes["mix"], results)
    return ("### The cache in shared memory\n\n" + rows_text(
        ["", "", ""], rows)) if rows else ""


def mix_rows(mix, results):
    text = (f"Zipf over {mix['keys']:,} keys, {mix['zone'] // 2**20} MiB, a "
            "scan in the middle: ")
    return [[text + "hits", value(results, "mix/ours", 4),
             f"of {mix['requests'] - mix['warm']:,} requests, after "
             f"{mix['warm']:,} to warm; "
             f"{value(results, 'mix/rate')} requests/s"],
            ["the same, S3-FIFO simulated", value(results, "mix/s3fifo", 4),
             ""],
            ["the same, LRU simulated", value(results, "mix/lru", 4), ""]]


def coherence_table(results):
    if results.median("coherence/put/p50") is None:
        return ""
    rows = [[f"a PUT of 1 KiB, one at a time, ms, {quantile}",
             value(results, f"coherence/fleet/{quantile}", 2),
             value(results, f"coherence/alone/{quantile}", 2)]
            for quantile in ("p50", "p99")]
    rows.append(["L1 hit of 1 KiB, requests/s",
                 value(results, "coherence/hit/fleet"),
                 value(results, "coherence/hit/alone")])
    return "### Coherence\n\n" + rows_text(
        ["files in memory, Redis without a log", "one of three nodes",
         "alone"], rows)


def tags_table(document, results):
    if results.median("tags/full/p50") is None:
        return ""
    notes = document["notes"]["tags"]
    rows = [[f"purge of one of 10,000 tags, one at a time, ms, {quantile}",
             value(results, f"tags/empty/{quantile}", 2),
             value(results, f"tags/full/{quantile}", 2)]
            for quantile in ("p50", "p99")]
    rows.append(["then of the records that had them, gone", "",
                 value(results, "tags/purged", 4)])
    rows.append([f"of others, still there after {notes['purges']:,} purges",
                 "", value(results, "tags/others", 4)])
    return "### Purges by tag\n\n" + rows_text(
        ["three nodes", "nothing in memory",
         f"{notes['records']:,} records"], rows)


def storage_table(document, results):
    medium = size_text(document["settings"]["medium_bytes"])
    large = size_text(document["settings"]["large_bytes"])
    rows = [[what, value(results, ours), value(results, base), note]
            for what, ours, base, note in (
                *put_rows(results, "medium", medium),
                *put_rows(results, "link", f"{medium}, 1 Gbit/s"),
                *put_rows(results, "large", large),
                (f"GET, {medium}, MiB/s (`proxy_pass`)", "get/s3",
                 "get/proxy_pass", ""),
                ("the same (`proxy_pass` with a signature)", "get/s3",
                 "get/proxy_signed", ""),
                ("GET, 4 KiB, requests/s (`proxy_pass`)", "small/s3",
                 "small/proxy_pass", ""),
                ("the same (`proxy_pass` with a signature)", "small/s3",
                 "small/proxy_signed", ""))
            if results.median(ours) or results.median(base)]
    rows += upload_rows(document, results) + miss_rows(document, results)
    if not rows:
        return ""
    return "### Storage: Ceph's S3 gateway, nothing cached\n\n" + rows_text(
        ["", "ngx_content", "compared with", ""], rows)


def put_rows(results, kind, size):
    for how, ours in (("signed", "s3"), ("not signed", "s3_unsigned")):
        name = f"put/{kind}/{ours}"
        notes = (grown(results, name), processor(results, name))
        yield (f"PUT, {size}, payload {how}, MiB/s (curl straight into S3, "
               "the same way)", name,
               f"put/{kind}/curl/{how.replace('not ', 'un')}",
               "; ".join(note for note in notes if note))


def value(results, name, digits=0):
    middle = results.median(name)
    return "n/a" if middle is None else f"{middle:,.{digits}f}"


def grown(results, name):
    if results.median(name) is None:
        return ""
    most = max(results.values(name, "grown_mib"))
    return f"the worker grew by {most:.0f} MiB at most"


def processor(results, name):
    used = results.median(name, "processor_seconds_a_gib")
    return "" if used is None else (f"nginx used {used:.2f} s of a processor "
                                    "for a GiB, its threads included")


def upload_rows(document, results):
    done = document["notes"].get("uploads")
    if done is None:
        return []
    size = size_text(done["bytes_each"])
    rate = results.median("uploads/rate")
    memory = results.median("uploads/memory")
    idle, busy = (f"uploads/{state}" for state in ("idle", "busy"))
    return [
        [f"{done['count']} uploads of {size} at once, MiB/s", f"{rate:,.0f}",
         "", f"{done['complete']} complete; the worker grew by "
             f"{memory:,.0f} MiB ({memory / done['count']:.1f} an upload)"],
        ["p99 of other requests meanwhile, ms (`return 200` beside it)",
         value(results, f"{busy}/ours", 2),
         value(results, f"{busy}/control", 2),
         f"idle: {value(results, f'{idle}/ours', 2)} and "
         f"{value(results, f'{idle}/control', 2)}"]]


def miss_rows(document, results):
    if results.median("misses/far/reads") is None:
        return []
    clients = document["settings"]["clients"]
    return [[f"{clients} misses of one object of 1 MiB: reads of S3",
             value(results, "misses/near/reads"), "", ""],
            *(wait_row(results, f"misses/{where}", whose) for where, whose in
              (("near", "S3 on this machine"),
               ("far", "S3's first byte after 100 ms"))),
            ["a bare loop that writes 4 KiB to as many clients, ms",
             value(results, "misses/writes", 1), "", ""]]


def wait_row(results, series, whose):
    return [f"first byte of the last waiter / of the first, {whose}",
            value(results, f"{series}/wait", 2), "",
            f"after {value(results, f'{series}/last', 1)} and "
            f"{value(results, f'{series}/first', 1)} ms; all had all of it "
            f"after {value(results, f'{series}/all', 0)} ms"]


def absent(document):
    if not document["absent"]:
        return ""
    return "### Not measured\n\n" + "".join(
        f"- {name}: {why}\n" for name, why in document["absent"].items())


def insert(path, text):
    """Between the marks of the page; what is around them stays."""
    page = machine.read(path)
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(before + BEGIN + "\n" + text + "\n" + END + after)
