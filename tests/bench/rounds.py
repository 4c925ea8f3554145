"""Rounds: every subject in turn, again and again, so that what changes on the
machine meanwhile meets all of them.  A ratio is taken within each round."""

import statistics
import sys

from servers import Trouble


def say(text):
    print(text, file=sys.stderr, flush=True)


class Results:
    """What was measured: series by name, such as "hot/1 KiB/static"."""

    def __init__(self):
        self.series = {}                # name: [{"value": ..., ...}, ...]
        self.units = {}
        self.absent = {}                # name: why there is none

    def add(self, name, unit, sample):
        """sample: a number, or a dict with "value" and further numbers."""
        if not isinstance(sample, dict):
            sample = {"value": sample}
        self.units[name] = unit
        self.series.setdefault(name, []).append(sample)

    def miss(self, name, why):
        self.absent[name] = str(why)
        self.series.pop(name, None)
        say(f"  {name}: n/a ({why})")

    def values(self, name, field="value"):
        return [s[field] for s in self.series.get(name, [])]

    def median(self, name, field="value"):
        values = self.values(name, field)
        return statistics.median(values) if values else None

    def spread(self, name):
        """(largest - smallest) / median."""
        values = self.values(name)
        middle = self.median(name)
        return (max(values) - min(values)) / middle if middle else 0.0

    def ratio(self, name, to, per=None):
        """(median, smallest, largest) of the rounds' ratios, or None.  per: a
        field of the samples that the values are first divided by."""
        ratios = [a / b for a, b in zip(self.rates(name, per),
                                        self.rates(to, per)) if b]
        if not ratios:
            return None
        return statistics.median(ratios), min(ratios), max(ratios)

    def best(self, names):
        """The one of the series with the largest median, or None."""
        there = [n for n in names if self.values(n)]
        return max(there, key=self.median, default=None)

    def rates(self, name, per=None):
        """The values, or what there was of them to one of that field."""
        return [s["value"] / (s[per] if per else 1)
                for s in self.series.get(name, []) if not per or s[per]]

    def document(self):
        return {name: {"unit": self.units[name], "rounds": samples,
                       "median": self.median(name),
                       "spread": self.spread(name)}
                for name, samples in self.series.items()}


def interleave(results, rounds, cells):
    """cells: [(name, unit, function that takes one sample)].  Each round
    begins with another cell: nobody is always measured after the same."""
    cells = [c for c in cells if c[0] not in results.absent]
    for number in range(rounds):
        for name, unit, sample in (cells[number % len(cells):]
                                   + cells[:number % len(cells)]
                                   if cells else ()):
            if name in results.absent:
                continue
            try:
                results.add(name, unit, sample())
            except Trouble as trouble:
                results.miss(name, trouble)
    for name, unit, _ in cells:
        if name in results.series:
            say(f"  {name:28} {results.median(name):12,.1f} {unit}"
                f"  (spread {results.spread(name):.0%})")
