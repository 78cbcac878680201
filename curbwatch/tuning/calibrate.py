"""Ground scale by picture row from lengths that somebody knows. Pure.

The model is the registry's (schemas.place.Calibration): px per metre = slope · (row − horizon), a camera that stands
upright above flat ground. Its height is then 1 / slope, and a ground point ``v`` rows below the horizon lies
focal · height / v away, so that a length in any direction on the ground, or upright on it, says something of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, inf, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from schemas.errors import UsageError

Point = tuple[float, float]

POINTING_PX = 2.0  # how far a person's click is off
SHORT_PX = 8.0  # a length that is shorter in the picture is mostly that error
REACH = 6.0  # the horizon is looked for up to so many picture heights above the picture
ROUNDS, STEPS = 9, 201  # of the search: each round looks closer around the best
SURE_SHARE = 0.5  # of the distance from the horizon to the farthest length: an error above it says nothing
ODD = 0.15  # residual from which a length is named as doubtful


@dataclass(frozen=True, slots=True)
class Length:
    """Two points of the picture, px, and how far they are apart, metres.

    ``upright``: it stands on the ground (a person, a post) with its foot at the lower point; else it lies on it.
    """

    one: Point
    other: Point
    metres: float
    upright: bool = False

    @property
    def px(self) -> float:
        """Its length in the picture."""
        return hypot(self.one[0] - self.other[0], self.one[1] - self.other[1])

    @property
    def rows(self) -> tuple[float, ...]:
        """Rows at which it touches the ground."""
        return (max(self.one[1], self.other[1]),) if self.upright else (self.one[1], self.other[1])


@dataclass(frozen=True, slots=True)
class Fit:
    """What the lengths say.

    Attributes:
        horizon_row, slope: as in Calibration.
        residuals: of each length, how much longer the fit makes it, as a share; 0.02 is 2 %.
        horizon_error: rows by which the horizon would be off if each point was ``POINTING_PX`` off; 0 where given.
    """

    horizon_row: float
    slope: float
    residuals: tuple[float, ...]
    horizon_error: float

    def px_per_m(self, row: float) -> float:
        """Px of a metre across at a row; 0 at the horizon and above."""
        return max(0.0, self.slope * (row - self.horizon_row))

    @property
    def height_m(self) -> float:
        """How high the camera hangs, if it stands upright."""
        return 1 / self.slope

    @property
    def doubtful(self) -> tuple[int, ...]:
        """Which lengths, from 0, are off by more than ``ODD``."""
        return tuple(k for k, share in enumerate(self.residuals) if abs(share) > ODD)


def fit(
    lengths: Sequence[Length], size: tuple[int, int], *, horizon_row: float | None = None, focal_px: float | None = None
) -> Fit:
    """Fit slope and horizon, least squares of the relative errors, each weighted by its length in the picture.

    ``size``: width and height of the picture, px. ``horizon_row``: given instead of fitted; one length alone needs it.
    ``focal_px``: of the camera; the picture's width where None, as the decision takes it
    (alerts/deciding/place.py). It matters only for lengths that lead away from the camera. Raises UsageError, saying
    what is missing, where the lengths do not determine both.
    """
    _check(lengths)
    focal = float(size[0]) if focal_px is None else focal_px
    if not (isfinite(focal) and focal > 0):
        raise UsageError(f"--focal-px {focal:g}: must be above 0")
    top = min(row for length in lengths for row in length.rows)
    if horizon_row is not None:
        if not isfinite(horizon_row) or horizon_row >= top - 1:
            raise UsageError(f"--horizon {horizon_row:g}: the length at row {top:.0f} is not below it")
        return _of(lengths, size, focal, horizon_row, 0.0)
    if len(lengths) == 1:
        raise UsageError(
            "one length does not say where the horizon is: give a second one, nearer or farther, or --horizon"
        )
    best = _search(lengths, size, focal, top)
    error = _error(lengths, size, focal, best)
    if error > SURE_SHARE * (top - best):
        raise UsageError(
            "these lengths are too near one another to say where the horizon is"
            f" ({POINTING_PX:g} px of pointing would move it by {min(error, 9999):.0f} rows):"
            " give one much nearer or farther, or --horizon"
        )
    return _of(lengths, size, focal, best, error)


def _check(lengths: Sequence[Length]) -> None:
    if not lengths:
        raise UsageError("no length given: --point x,y --point x,y --length-m L")
    for number, length in enumerate(lengths, 1):
        if not (isfinite(length.metres) and length.metres > 0):
            raise UsageError(f"length {number}: {length.metres:g} m; a length is above 0")
        if not all(isfinite(side) for side in (*length.one, *length.other)):
            raise UsageError(f"length {number}: its points must be numbers")
        if length.px < SHORT_PX:
            raise UsageError(f"length {number}: its points are {length.px:.0f} px apart; choose a longer one")


def _geometry(
    lengths: Sequence[Length], size: tuple[int, int], focal: float, horizons: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, K) lengths in camera heights, for each of K horizons, all above every row."""
    centre = size[0] / 2
    rows = []
    for length in lengths:
        (x0, y0), (x1, y1) = length.one, length.other
        if length.upright:
            rows.append(length.px / (max(y0, y1) - horizons))
            continue
        v0, v1 = y0 - horizons, y1 - horizons
        across = (x0 - centre) / v0 - (x1 - centre) / v1
        rows.append(np.hypot(across, focal * (1 / v0 - 1 / v1)))
    return np.asarray(rows, np.float64)


def _logs(
    lengths: Sequence[Length], size: tuple[int, int], focal: float, horizons: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, K) log slope that each length asks for, and (K,) their weighted mean."""
    metres = np.asarray([length.metres for length in lengths])[:, None]
    logs = np.log(np.maximum(_geometry(lengths, size, focal, horizons), 1e-12) / metres)
    return logs, np.average(logs, axis=0, weights=_weights(lengths))


def _weights(lengths: Sequence[Length]) -> NDArray[np.float64]:
    return np.asarray([length.px**2 for length in lengths], np.float64)


def _search(lengths: Sequence[Length], size: tuple[int, int], focal: float, top: float) -> float:
    """The horizon at which the lengths agree best. Raises UsageError where they agree best at infinity."""
    low, high = np.log(1.5), np.log(REACH * size[1] + top)
    first = low, high
    for _ in range(ROUNDS):
        steps = np.linspace(low, high, STEPS)
        horizons = top - np.exp(steps)
        logs, mean = _logs(lengths, size, focal, horizons)
        cost = (_weights(lengths)[:, None] * (logs - mean) ** 2).sum(axis=0)
        best = int(cost.argmin())
        low, high = steps[max(0, best - 1)], steps[min(STEPS - 1, best + 1)]
    found = (low + high) / 2
    if found > first[1] - 0.01:
        raise UsageError(
            "the farther lengths are not smaller in the picture than the nearer ones: check points and lengths"
        )
    if found < first[0] + 0.01:
        raise UsageError("the lengths put the horizon below the farthest of them: check points and lengths")
    return float(top - np.exp(found))


def _error(lengths: Sequence[Length], size: tuple[int, int], focal: float, horizon: float) -> float:
    """Rows by which the horizon moves for ``POINTING_PX`` at each point, by the fit's own slope."""
    step = 0.01
    logs, mean = _logs(lengths, size, focal, np.asarray([horizon - step, horizon + step]))
    slopes = ((logs - mean)[:, 1] - (logs - mean)[:, 0]) / (2 * step)
    spread = np.asarray([sqrt(2) * POINTING_PX / length.px for length in lengths])
    power = float(((slopes / spread) ** 2).sum())
    return 1 / sqrt(power) if power > 0 else inf


def _of(lengths: Sequence[Length], size: tuple[int, int], focal: float, horizon: float, error: float) -> Fit:
    logs, mean = _logs(lengths, size, focal, np.asarray([horizon]))
    residuals = np.expm1(logs[:, 0] - mean[0])
    return Fit(horizon, float(np.exp(mean[0])), tuple(float(share) for share in residuals), error)
