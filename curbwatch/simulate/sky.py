"""What weather, lamps and the camera itself do to a picture: rain, snow, fog, night, infra-red, shaking, shade.

Everything follows from plan, weather and time, as the rest of the city does.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.simulate.actors import Thing
from curbwatch.simulate.plan import Plan
from curbwatch.simulate.sprite import Image, u8
from curbwatch.simulate.weather import Weather

PAD = 64  # px that what falls is drawn larger, so that each frame takes another part of it
SHADE_SPEED_PX = 0.22  # px a second at 1280 wide that the edge of a house's shade creeps
SHADE_BGR = (0.82, 0.79, 0.75)  # of the even light
SHAKE_PX = 1.6  # root mean square at 1280 wide
NIGHT_BGR, LAMP_BGR = (0.17, 0.15, 0.13), (0.62, 0.78, 0.88)
LAMP_M = 5.5  # reach of a street lamp
INFRARED_M = 30.0  # reach of the camera's own lamp
SNOW_SHARE = 0.45  # of white that the ground has after half an hour
FOG_M = (28.0, 60.0)
FOG_GREY = 205.0
DROP_S = 90.0  # how long a drop sits on the dome
WHITE, RED = (235, 245, 255), (40, 40, 220)
NOISE = {"night": 3.0, "infrared": 2.2, "rain": 1.3, "fog": 1.2}  # times a small sensor's by day


@dataclass(frozen=True, slots=True)
class Drop:
    """A drop on the dome: where, how large, px, and from when to when, seconds."""

    x: int
    y: int
    radius: int
    start_s: float


class Sky:
    """One view's weather. ``noise`` is how many times the sensor's noise by day; ``grey``: without colour."""

    def __init__(self, plan: Plan, weather: Weather) -> None:
        self._plan, self._weather = plan, weather
        self.noise = NOISE.get(weather, 1.0)
        self.grey = weather == "infrared"
        self._size = plan.lens.width, plan.lens.height
        self._map: Image | None = None  # light of night, drawn when first asked for
        self._falling: Image | None = None

    def ground(self, picture: Image, cloudy: Image, t: float) -> None:
        """Change what stands still, before people and things are drawn: a shade that creeps, snow that lies."""
        if self._weather == "shadow":
            share = self._shade(t)[..., None]
            dark = cloudy * np.array(SHADE_BGR, np.float32)
            picture[:] = (picture * (1 - share) + dark * share).astype(np.uint8)
        elif self._weather == "snow":
            top = max(0, int(self._plan.lens.horizon) + 2)
            white = SNOW_SHARE * min(1.0, max(0.0, t / 1800))
            part = picture[top:]
            cv2.addWeighted(part, 1 - white, np.full_like(part, 228), white, 0.0, dst=part)

    def sun_at(self, row: int, column: int, t: float) -> float:
        """Share of the sun that the creeping shade leaves a point, 0..1."""
        return 1.0 - float(self._edge_px(np.float32(column), np.float32(row), t)) if self._weather == "shadow" else 1.0

    def over(self, picture: Image, placed: Iterable[Thing], t: float) -> Image:
        """Return the picture with what lies between street and sensor; the sensor's noise comes later."""
        if self._weather in {"night", "infrared"}:
            picture = self._dark(picture, placed)
        elif self._weather == "rain":
            picture = self._rain(picture, t)
        elif self._weather == "snow":
            picture = u8(cv2.add(picture, self._part_of_falling(t)))
        elif self._weather == "fog":
            picture = self._fog(picture, t)
        elif self._weather == "shake":
            dx, dy = self._rng(31, t).normal(0, SHAKE_PX * self._plan.unit, 2)
            turn = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            picture = u8(cv2.warpAffine(picture, turn, self._size, borderMode=cv2.BORDER_REPLICATE))
        return picture

    def _rng(self, purpose: int, t: float) -> np.random.Generator:
        return self._plan.rng(purpose, round(t * 1000) + (1 << 40))

    def _edge_px(self, x: object, y: object, t: float) -> NDArray[np.float32]:
        """How far inside the shade points are, 0..1, over an edge a few px soft with the teeth of a roof."""
        turn, phase = self._plan.rng(32).uniform((0.2, 0.0), (0.9, 1.0))
        unit = self._plan.unit
        along = np.asarray(x, np.float32) * math.cos(turn) + np.asarray(y, np.float32) * math.sin(turn)
        across = np.asarray(y, np.float32) * math.cos(turn) - np.asarray(x, np.float32) * math.sin(turn)
        teeth = 14 * unit * np.sign(np.sin(across / (60 * unit)))
        place = unit * (250 + 500 * phase + SHADE_SPEED_PX * t)
        return np.asarray(np.clip((place + teeth - along) / (6 * unit) + 0.5, 0, 1), np.float32)

    def _shade(self, t: float) -> NDArray[np.float32]:
        x = np.arange(self._size[0], dtype=np.float32)[None, :]
        y = np.arange(self._size[1], dtype=np.float32)[:, None]
        return self._edge_px(x, y, t)

    def _dark(self, picture: Image, placed: Iterable[Thing]) -> Image:
        if self._map is None:
            self._map = self._infrared_light() if self.grey else self._lamp_light()
        picture = u8(cv2.multiply(picture, self._map, scale=1 / 255))
        return u8(cv2.add(picture, self._headlights(placed)))

    def _lamp_light(self) -> Image:
        """Night with street lamps, and some windows."""
        plan, lens = self._plan, self._plan.lens
        top = max(0, int(lens.horizon) + 2)
        light = np.full((*self._size[::-1], 3), NIGHT_BGR, np.float32)
        x, z = lens.ground(slice(top, lens.height))
        rng = plan.rng(33)
        lamps = [(lx * 1.12, lz + 4.5) for lx, lz in plan.trees[::4]] if plan.view == "street" else []
        while len(lamps) < 3:
            depth = float(rng.uniform(lens.nearest_m * 1.1, lens.nearest_m * 3))
            lamps.append((float(rng.uniform(-0.4, 0.4)) * depth, depth))
        for lx, lz in lamps:
            pool = np.exp(-((x - lx) ** 2 + (z - lz) ** 2) / LAMP_M**2)
            light[top:] += pool[..., None] * np.array(LAMP_BGR, np.float32)
        for _ in range(14):
            wide, high = (round(float(side) * plan.unit) for side in rng.uniform((14, 18), (34, 40)))
            left, foot = int(rng.integers(0, lens.width)), int(rng.integers(0, max(1, top)))
            light[foot : foot + high, left : left + wide] = rng.uniform(0.5, 1.0) * np.array((0.6, 0.85, 1.0))
        return np.clip(light * 255, 0, 255).astype(np.uint8)

    def _infrared_light(self) -> Image:
        """The camera's own lamp: bright near the middle and near the camera."""
        lens = self._plan.lens
        rows = np.maximum(np.arange(lens.height, dtype=np.float32) - np.float32(lens.horizon), 1.0)
        near = np.exp(-((lens.focal * lens.height_m / rows / INFRARED_M) ** 2))
        across = np.exp(-(((np.arange(lens.width) - lens.width / 2) / (0.48 * lens.width)) ** 2))
        light = 0.16 + 0.84 * near[:, None] * across[None, :]
        return np.repeat(np.clip(light * 255, 0, 255).astype(np.uint8)[..., None], 3, axis=2)

    def _headlights(self, placed: Iterable[Thing]) -> Image:
        """What lamps of vehicles add: two lights each, their glare, and a pool on the road ahead."""
        lens, share = self._plan.lens, 4
        small = np.zeros((lens.height // share, lens.width // share, 3), np.uint8)
        for thing in placed:
            view = thing.name.split("/")[2]
            if not thing.lit:
                continue
            scale = lens.scale(thing.z_m) / share
            colour = RED if view == "rear" else WHITE
            if view == "side":
                lights = [(thing.x_m + (-2.2 if thing.flip else 2.2), colour)]
            else:
                lights = [(thing.x_m + side, colour) for side in (-0.65, 0.65)]
            for x_m, tone in lights:
                px, py = lens.point(x_m, thing.z_m, 0.65)
                radius = max(1, round((0.18 if view == "rear" else 0.34) * scale))
                cv2.circle(small, (round(px / share), round(py / share)), radius, tone, -1)
            if view != "rear":
                ahead = thing.x_m + (-5.0 if thing.flip else 5.0) if view == "side" else thing.x_m
                depth = thing.z_m if view == "side" else max(lens.nearest_m * 0.6, thing.z_m - 5.0)
                px, py = lens.point(ahead, depth)
                size = (max(1, round(2.6 * lens.scale(depth) / share)), max(1, round(0.7 * lens.scale(depth) / share)))
                cv2.ellipse(small, (round(px / share), round(py / share)), size, 0, 0, 360, (46, 52, 58), -1)
        glow = cv2.addWeighted(cv2.GaussianBlur(small, (0, 0), 3.0), 0.8, small, 0.7, 0.0)
        return u8(cv2.resize(glow, self._size, interpolation=cv2.INTER_LINEAR))

    def _rain(self, picture: Image, t: float) -> Image:
        out = u8(cv2.add(u8(cv2.convertScaleAbs(picture, alpha=0.8, beta=10)), self._part_of_falling(t)))
        for drop in self._drops(t):
            x0, y0 = max(0, drop.x - drop.radius), max(0, drop.y - drop.radius)
            part = out[y0 : drop.y + drop.radius, x0 : drop.x + drop.radius]
            if min(part.shape[:2]) < 4:
                continue
            soft = cv2.GaussianBlur(part, (0, 0), max(1.0, drop.radius / 2))
            yy, xx = np.ogrid[: part.shape[0], : part.shape[1]]
            far = np.hypot(xx + x0 - drop.x, yy + y0 - drop.y) / drop.radius
            cover = np.clip((1 - far) * 3, 0, 1)[..., None]
            part[:] = (part * (1 - cover) + np.minimum(255, soft * np.float32(1.08)) * cover).astype(np.uint8)
        return out

    def _drops(self, t: float) -> list[Drop]:
        """Drops on the dome at ``t``: each sits for a while, then runs off."""
        found = []
        for k in range(math.floor(t / DROP_S) - 1, math.floor(t / DROP_S) + 1):
            rng = self._plan.rng(34, k + (1 << 20))
            for _ in range(4):
                x, y, size, since = rng.uniform((0, 0, 8, 0), (self._size[0], self._size[1], 26, DROP_S))
                drop = Drop(int(x), int(y), max(4, round(size * self._plan.unit)), k * DROP_S + float(since))
                if drop.start_s <= t < drop.start_s + DROP_S:
                    found.append(drop)
        return found

    def _part_of_falling(self, t: float) -> Image:
        if self._falling is None:
            self._falling = self._streaks() if self._weather == "rain" else self._flakes()
        dx, dy = self._rng(35, t).integers(0, PAD, 2)
        part = self._falling[dy : dy + self._size[1], dx : dx + self._size[0]]
        return part[:, ::-1] if round(t) % 2 else part

    def _streaks(self) -> Image:
        rng, unit = self._plan.rng(36), self._plan.unit
        layer: Image = np.zeros((self._size[1] + PAD, self._size[0] + PAD, 3), np.uint8)
        for _ in range(420):
            x, y, long, grey = rng.uniform((0, 0, 18, 18), (layer.shape[1], layer.shape[0], 60, 70))
            end = (round(x + long * 0.12 * unit), round(y + long * unit))
            cv2.line(layer, (round(x), round(y)), end, (int(grey),) * 3, 1, cv2.LINE_AA)
        return u8(cv2.blur(layer, (1, 3)))

    def _flakes(self) -> Image:
        rng, unit = self._plan.rng(37), self._plan.unit
        layer: Image = np.zeros((self._size[1] + PAD, self._size[0] + PAD, 3), np.uint8)
        for _ in range(700):
            x, y, size, grey = rng.uniform((0, 0, 0.8, 60), (layer.shape[1], layer.shape[0], 3.0, 200))
            cv2.circle(layer, (round(x), round(y)), max(1, round(size * unit)), (int(grey),) * 3, -1, cv2.LINE_AA)
        return layer

    def _fog(self, picture: Image, t: float) -> Image:
        lens = self._plan.lens
        phase = float(self._plan.rng(38).uniform(0, 2 * math.pi))
        reach = FOG_M[0] + (FOG_M[1] - FOG_M[0]) * (0.5 + 0.5 * math.sin(2 * math.pi * t / 1500 + phase))
        rows = np.maximum(np.arange(lens.height, dtype=np.float32) - np.float32(lens.horizon), 1.0)
        share = (1 - np.exp(-lens.focal * lens.height_m / rows / reach)).astype(np.float32)[:, None, None]
        return u8((picture * (1 - share) + FOG_GREY * share).astype(np.uint8))
