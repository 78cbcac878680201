"""Up to where a device's positions are kept: one cumulative acknowledgement per (device, boot). Pure."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Key = tuple[str, str]  # device id, boot
Covered = tuple[str, str, int, int]  # device id, boot, seq, oldest seq the device still holds (-1: not told)

GAPS_MAX = 256  # islands remembered above a mark; beyond it the device sends the rest again
GIVEN_UP_MAX = 1_000_000  # that one message may say: a counter must survive a device that says 2**62
KNOWN_MAX = 200_000  # (device, boot) pairs remembered; a forgotten one is read back from the database


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of one (device, boot).

    Attributes:
        mark: every seq up to here is kept, or given up by the device; -1: none.
        islands: (first, last) runs kept above the mark, ascending, apart from one another.
        given_up: how many seqs below the mark the device said it no longer holds.
    """

    mark: int = -1
    islands: tuple[tuple[int, int], ...] = ()
    given_up: int = 0


def advance(standing: Standing, seqs: Iterable[int], oldest: int = -1) -> Standing:
    """Add kept seqs; the mark passes what is contiguous from 0, and everything below ``oldest``.

    A mark never goes back, and never passes a seq that is neither kept nor given up. No seqs change nothing.
    """
    runs = _runs([*standing.islands, *((seq, seq) for seq in seqs if seq > standing.mark)])
    mark, given_up = standing.mark, standing.given_up
    if oldest - 1 > mark:
        kept_below = sum(min(last, oldest - 1) - first + 1 for first, last in runs if first < oldest)
        given_up += min(GIVEN_UP_MAX, oldest - 1 - mark - kept_below)
        mark = oldest - 1
    while runs and runs[0][0] <= mark + 1:
        mark = max(mark, runs.pop(0)[1])
    return Standing(mark, tuple(runs[:GAPS_MAX]), given_up)


@dataclass(slots=True)
class Marks:
    """All standings: planned before a commit, accepted after it, so that no mark runs ahead of its rows."""

    _known: "OrderedDict[Key, Standing]" = field(default_factory=OrderedDict)

    def unknown(self, covered: Iterable[Covered]) -> list[Key]:
        """Pairs whose mark must be read from the database first, each once, in order."""
        return [key for key in dict.fromkeys((row[0], row[1]) for row in covered) if key not in self._known]

    def read_back(self, marks: Mapping[Key, int], keys: Iterable[Key]) -> None:
        """Take over what the database has; a pair it does not have begins at -1."""
        for key in keys:
            self._known[key] = Standing(marks.get(key, -1))

    def plan(self, covered: Iterable[Covered]) -> dict[Key, Standing]:
        """Standings as they will be when these seqs are kept; pairs not read back begin at -1. Changes nothing."""
        seqs: dict[Key, list[int]] = {}
        oldest: dict[Key, int] = {}
        for device_id, boot, seq, held in covered:
            key = (device_id, boot)
            seqs.setdefault(key, []).append(seq)
            oldest[key] = max(oldest.get(key, -1), held)
        return {key: advance(self._known.get(key, Standing()), sorted(some), oldest[key]) for key, some in seqs.items()}

    def accept(self, planned: Mapping[Key, Standing]) -> dict[str, int]:
        """Remember standings whose rows are committed; how many seqs each device gave up since the last time."""
        given_up: dict[str, int] = {}
        for key, standing in planned.items():
            more = standing.given_up - self._known.get(key, Standing()).given_up
            if more:
                given_up[key[0]] = given_up.get(key[0], 0) + more
            self._known[key] = standing
            self._known.move_to_end(key)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return given_up


def _runs(islands: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending (first, last) runs without overlap or touch."""
    runs: list[tuple[int, int]] = []
    for first, last in sorted(islands):
        if runs and first <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(runs[-1][1], last))
        else:
            runs.append((first, last))
    return runs
