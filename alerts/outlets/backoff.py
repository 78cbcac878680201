"""How long to wait before a message is tried again. Pure."""


def wait_s(tries: int, first_s: float, max_s: float, chance: float) -> float:
    """Seconds until the next try after ``tries`` that failed (1, 2, …): doubling from ``first_s`` up to ``max_s``.

    ``chance`` 0..1 spreads it over the upper half of that, so that those who failed together do not come back together.
    """
    whole = min(max_s, first_s * 2.0 ** min(tries - 1, 60))
    return whole * (0.5 + chance / 2)
