"""Light over time: sun behind clouds, the day's slow change, and the camera's own exposure."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Weather = Literal[
    "day",
    "clouds",
    "exposure",
    "dull",
    "drift",
    "shadow",
    "night",
    "infrared",
    "rain",
    "snow",
    "fog",
    "shake",
]
WEATHERS: tuple[Weather, ...] = ("day", "clouds", "exposure", "dull")  # what the demo and the training draw from
SUNLESS = frozenset({"dull", "night", "infrared", "rain", "snow", "fog"})


@dataclass(frozen=True, slots=True)
class Light:
    """Light at one moment: ``sun`` 0..1, ``gain`` of the whole picture, ``warm``: share that red gains on blue."""

    sun: float
    gain: float
    warm: float


def light(weather: Weather, seed: tuple[int, int], t: float) -> Light:
    """Return the light at ``t`` seconds since the start; ``seed`` is the city's and the camera's number.

    day: sun comes and goes over minutes, gain drifts by 4 %. clouds: sun comes and goes within half a minute.
    exposure: the camera also steps its gain by up to 30 % now and then. dull: no sun. drift: brightness moves by a
    third and colour by a fifth over half an hour. shadow: full sun. The others have no sun of their own; what they do
    to the picture is in ``sky``.
    """
    phase = np.random.default_rng([*seed, 9]).random(4) * 2 * math.pi
    slow = math.sin(2 * math.pi * t / 900 + phase[0])
    drift = 1.0 + 0.04 * math.sin(2 * math.pi * t / 420 + phase[1])
    cloud = slow + 0.6 * math.sin(2 * math.pi * t / 310 + phase[2])
    if weather == "clouds":
        cloud = 1.6 * math.sin(2 * math.pi * t / 95 + phase[0]) + math.sin(2 * math.pi * t / 41 + phase[2])
    sun = 0.0 if weather in SUNLESS else 1.0 if weather == "shadow" else 1 / (1 + math.exp(-3.0 * cloud))
    if weather == "drift":
        wide = 1.0 + 0.32 * math.sin(2 * math.pi * t / 2100 + phase[3])
        return Light(sun, drift * wide, 0.2 * math.sin(2 * math.pi * t / 1700 + phase[1]))
    return Light(sun, drift * _steps(seed, t) if weather == "exposure" else drift, 0.03 * slow)


def _steps(seed: tuple[int, int], t: float) -> float:
    """Gain of an exposure that stays for a while, then moves to another within a second."""
    k = math.floor(t / 50.0)
    change = k * 50.0 + 30.0 * float(np.random.default_rng([*seed, 10, k + (1 << 20)]).random())

    def level(number: int) -> float:
        return float(np.random.default_rng([*seed, 11, number + (1 << 20)]).choice([1.0, 1.0, 1.0, 0.8, 1.18, 1.3]))

    share = min(1.0, max(0.0, t - change))
    return level(k - 1) * (1 - share) + level(k) * share
