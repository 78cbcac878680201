"""One view at one moment, as pixels and as JPEG."""

import math

import cv2
import numpy as np

from curbwatch.simulate.actors import Thing, draw, things
from curbwatch.simulate.plan import Plan
from curbwatch.simulate.scene import Scene, build
from curbwatch.simulate.script import Placement
from curbwatch.simulate.sky import Sky
from curbwatch.simulate.sprite import Cut, Image, Shop, lay, u8
from curbwatch.simulate.weather import Light, Weather, light

NOISE_MEAN = 32
NOISE_PAD = 96  # px the noise picture is larger, so that each frame can take another part of it
NOISE_SIGMA = 1.9  # grey levels: a small sensor by day; with the paving it makes 150..180 KiB at 720p
QUALITY = 83


class Camera:
    """Renders one view. ``pixels`` and ``jpeg`` depend on the arguments and t only; what is kept saves work.

    Cameras of one city may share a ``shop``: they draw the same people and goods.
    """

    def __init__(
        self,
        plan: Plan,
        script: tuple[Placement, ...],
        weather: Weather = "day",
        name: str = "",
        shop: Shop | None = None,
    ) -> None:
        self.plan, self.script, self.name = plan, script, name
        self._weather: Weather = weather
        self._sky = Sky(plan, weather)
        self._shop = Shop(draw) if shop is None else shop
        self._scene: Scene | None = None
        self._noise: Image = np.zeros((0, 0, 3), np.uint8)

    @property
    def scene(self) -> Scene:
        """The still part, drawn when first asked for."""
        if self._scene is None:
            lens = self.plan.lens
            self._scene = build(self.plan)
            shape = (lens.height + NOISE_PAD, lens.width + NOISE_PAD)
            rng = self.plan.rng(4)
            grey = rng.normal(NOISE_MEAN, NOISE_SIGMA, (*shape, 1))
            tint = rng.normal(0, NOISE_SIGMA * 0.4, (shape[0] // 2, shape[1] // 2, 3))
            self._noise = np.clip(grey + cv2.resize(tint, shape[::-1]), 0, 255).astype(np.uint8)
        return self._scene

    def jpeg(self, t: float, *, without: frozenset[int] = frozenset()) -> bytes:
        """Return the JPEG at ``t`` seconds since the start; see ``pixels``."""
        return bytes(cv2.imencode(".jpg", self.pixels(t, without=without), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])

    def pixels(self, t: float, *, without: frozenset[int] = frozenset()) -> Image:
        """Return (H, W, 3) uint8 BGR at ``t``; placements of the script numbered in ``without`` are left out."""
        scene, now = self.scene, light(self._weather, self.plan.seed, t)
        picture = u8(cv2.addWeighted(scene.sunny, now.sun, scene.cloudy, 1 - now.sun, 0.0))
        self._sky.ground(picture, scene.cloudy, t)
        self._wind(picture, t)
        script = tuple(placed for number, placed in enumerate(self.script) if number not in without)
        drawn = things(self.plan, script, t)
        for thing in drawn:
            self._put(picture, thing, now, t)
        return self._exposed(self._sky.over(picture, drawn, t), now, t)

    def _wind(self, picture: Image, t: float) -> None:
        for k, (x, y, width, height) in enumerate(self.scene.leaves):
            dx = round(1.6 * math.sin(t * 1.9 + k * 1.3))
            dy = round(1.2 * math.sin(t * 2.7 + k * 2.1))
            picture[y : y + height, x : x + width] = picture[y + dy : y + dy + height, x + dx : x + dx + width].copy()

    def _put(self, picture: Image, thing: Thing, now: Light, t: float) -> None:
        lens, scene = self.plan.lens, self.scene
        scale = lens.scale(thing.z_m)
        foot = lens.point(thing.x_m, thing.z_m, thing.up_m)
        if not -4 * scale < foot[0] < lens.width + 4 * scale or foot[1] > lens.height + 4 * scale:
            return
        row = int(np.clip(foot[1], 0, lens.height - 1))
        column = int(np.clip(foot[0], 0, lens.width - 1))
        sun = now.sun * float(scene.lit[row, column]) / 255 * self._sky.sun_at(row, column, t)
        body, dark = self._shop.cut(thing.name, scale, flip=thing.flip, sun=sun)
        corner = (round(foot[0] - body.foot[0]), round(foot[1] - body.foot[1]))
        ground = lens.point(thing.x_m, thing.z_m)
        below = (round(ground[0] - dark.foot[0]), round(ground[1] - dark.foot[1]))
        self._behind(picture, dark, below, thing.z_m)
        self._behind(picture, body, corner, thing.z_m)

    def _behind(self, picture: Image, cut: Cut, corner: tuple[int, int], z_m: float) -> None:
        """Lay a cut-out over the picture, but not over trees and posts that stand nearer."""
        height, width = cut.colour.shape[:2]
        x0, y0 = max(0, corner[0]), max(0, corner[1])
        where = np.s_[y0 : max(0, corner[1] + height), x0 : max(0, corner[0] + width)]
        nearer = self.scene.depth_dm[where] < z_m * 10 - 2
        if not nearer.any():
            lay(picture, corner, cut.colour, cut.through)
            return
        kept = picture[where][nearer]
        lay(picture, corner, cut.colour, cut.through)
        picture[where][nearer] = kept

    def _exposed(self, picture: Image, now: Light, t: float) -> Image:
        lens, stamp = self.plan.lens, round(t * 1000)
        level = np.arange(256, dtype=np.float64)[:, None] * now.gain
        table = level * np.array([1 - now.warm / 2, 1.0, 1 + now.warm / 2])
        # a soft shoulder keeps what is bright from turning flat
        table = np.where(table > 200, 200 + 55 * (1 - np.exp(-(table - 200) / 55)), table)
        out = u8(cv2.LUT(picture, np.clip(table, 0, 255).astype(np.uint8)[:, None, :]))
        dx, dy = self.plan.rng(12, stamp + (1 << 40)).integers(0, NOISE_PAD, 2)
        noise = self._noise[dy : dy + lens.height, dx : dx + lens.width]
        much = self._sky.noise
        cv2.addWeighted(out, 1.0, noise, much, -NOISE_MEAN * much, dst=out)
        if self._sky.grey:
            out = u8(cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
        minutes, seconds = divmod(int(t), 60)
        text = f"{self.name}  {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
        at, size = (round(16 * self.plan.unit), round(34 * self.plan.unit)), 0.8 * self.plan.unit
        cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 4, cv2.LINE_AA)
        cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (240, 240, 240), 2, cv2.LINE_AA)
        return out
