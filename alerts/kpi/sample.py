"""A blind sample of closed cases for somebody outside to judge anew (第三方测评). Pure."""

import hashlib
from collections.abc import Iterable
from math import ceil

from schemas.errors import SaidError
from schemas.kpi import Fact


def sample_of(facts: Iterable[Fact], seed: str, share: float) -> tuple[str, ...]:
    """Incident ids of a sample of those that closed: the smallest number that is at least ``share`` of them.

    The same facts, seed and share give the same ids in the same order, on any machine: cases are ordered by the
    SHA-256 of seed and id, so nobody can lean on who is drawn without changing the seed. A larger share only adds to
    a smaller one. No closed cases: none. Raises UsageError for a share outside 0..1, 0 excluded.
    """
    if not 0 < share <= 1:
        raise SaidError(
            f"a sample's share is more than 0 and at most 1, not {share:g}",
            f"抽样比例应大于 0 且不超过 1,不能是 {share:g}",
        )
    closed = sorted((_rank(seed, fact.key), fact.key) for fact in facts if fact.closed)
    return tuple(key for _, key in closed[: ceil(share * len(closed) - 1e-9)])


def _rank(seed: str, key: str) -> str:
    return hashlib.sha256(f"{seed}/{key}".encode()).hexdigest()
