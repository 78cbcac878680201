"""The part of a view that stands still: drawn once, under cloud and in sun."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.simulate import facade
from curbwatch.simulate.plan import Plan
from curbwatch.simulate.sprite import Image, Rng, Sprite, lay, scaled, shadow, u8
from curbwatch.simulate.surfaces import (
    PAVINGS,
    TACTILE,
    Field,
    asphalt,
    looked_up,
    noise_picture,
    painted,
    paved,
)

WALL_FAR_M = 95.0
HAZE_M = 260.0
FAR_DM = 65535


@dataclass(frozen=True, slots=True)
class Scene:
    """A view without anything that moves.

    Attributes:
        cloudy: (H, W, 3) uint8 BGR under an even sky.
        sunny: the same in sun.
        depth_dm: (H, W) uint16, how far what stands on the ground is, decimetres; 65535 where nothing does.
        lit: (H, W) uint8, 255 where the sun reaches.
        leaves: (x, y, width, height) px blocks inside tree crowns that the wind moves.
    """

    cloudy: Image
    sunny: Image
    depth_dm: NDArray[np.uint16]
    lit: Image
    leaves: tuple[tuple[int, int, int, int], ...]


def build(plan: Plan) -> Scene:
    """Draw the view of ``plan``; the same plan gives the same scene."""
    rng, lens = plan.rng(2), plan.lens
    noise = noise_picture(rng)
    picture = facade.skyline(rng, (lens.width, lens.height), lens.horizon)
    lit = np.full(picture.shape[:2], 0.6, np.float32)
    top = max(0, int(lens.horizon) + 2)
    _ground(plan, rng, noise, picture[top:], lit[top:], top)
    _fronts(plan, rng, picture, lit)
    # no lens draws a joint sharper than this
    picture[:] = cv2.GaussianBlur(picture, (0, 0), 0.6 * plan.unit)
    depth_dm = np.full(picture.shape[:2], FAR_DM, np.uint16)
    leaves = _standing(plan, rng, picture, lit, depth_dm)
    tint = np.array([0.95, 1.0, 1.03], np.float32), np.array([1.05, 1.0, 0.96], np.float32)
    soft = cv2.GaussianBlur(lit, (0, 0), 1.2 * plan.unit)[..., None]
    sunny = picture * (soft * 1.2 * tint[0] + (1 - soft) * 0.74 * tint[1])
    even = np.clip(picture * 0.94, 0, 255).astype(np.uint8)
    return Scene(even, np.clip(sunny, 0, 255).astype(np.uint8), depth_dm, (lit * 255).astype(np.uint8), leaves)


def _ground(plan: Plan, rng: Rng, noise: Field, out: Image, lit: Field, top: int) -> None:
    """Draw paving, kerb, road and their light into the rows from ``top`` down."""
    lens = plan.lens
    x, z = lens.ground(slice(top, lens.height))
    px_m = (z / lens.focal).astype(np.float32)
    z_all = np.broadcast_to(z, x.shape)
    street = plan.view == "street"
    across, along = (x, z_all) if street else (z_all, x)
    _, kerb_l, kerb_r, _ = plan.bands
    road = (across > kerb_l) & (across < kerb_r) if street else across < kerb_l
    kind = PAVINGS[rng.integers(len(PAVINGS))]
    # a pixel is longer than wide on the ground, so joints that lie across fade sooner
    ground = paved(kind, across, along, (px_m * 1.5).astype(np.float32), rng)
    strip = 1.6 if street else -1.0
    wear = looked_up(noise, across, along, 12.0)
    for edge, side in ((kerb_l, -1), (kerb_r, 1)) if street else ():
        middle = edge + side * strip
        painted(ground, np.abs(across - middle) < 0.2, wear, TACTILE)
    stains = looked_up(noise, across, along, 5.0) * 5.0 + looked_up(noise, across, along, 60.0) * 4.0
    ground += stains[..., None]
    ground = np.where(road[..., None], asphalt(across, along, noise, rng), ground)
    _markings(plan, ground, across, along, wear)
    for edge, side in ((kerb_l, -1), (kerb_r, 1)) if street else ((kerb_l, 1),):
        off = (across - edge) * side
        ground[(off >= 0) & (off < np.maximum(0.16, px_m))] = (168, 172, 174)
        ground[(off < 0) & (off > -np.maximum(0.1, px_m))] -= 34.0
    haze = np.clip(z / HAZE_M, 0, 0.45)[..., None]
    ground = ground * (1 - haze) + np.float32(222.0) * haze
    out[:] = np.clip(ground, 0, 255).astype(np.uint8)
    lit[:] = _light(plan, x, z_all, noise)


def _markings(plan: Plan, ground: Field, across: Field, along: Field, wear: Field) -> None:
    if plan.view == "square":
        return
    _, kerb_l, kerb_r, _ = plan.bands
    if plan.view == "plaza":
        painted(ground, (np.abs(across - kerb_l * 0.68) < 0.07) & (np.mod(along, 6.0) < 3.0), wear)
        painted(ground, np.abs(across - kerb_l * 0.965) < 0.05, wear, (60, 170, 205))
        return
    middle = (kerb_l + kerb_r) / 2
    for offset in (-0.14, 0.14):
        painted(ground, np.abs(across - middle - offset) < 0.06, wear, (60, 170, 205))
    for edge in (kerb_l + 1.5, kerb_r - 1.5):
        painted(ground, (np.abs(across - edge) < 0.06) & (np.mod(along, 6.0) < 4.0), wear)
    crossing = plan.lens.nearest_m * 2.4
    inside = (across > kerb_l + 0.4) & (across < kerb_r - 0.4) & (np.abs(along - crossing) < 2.0)
    painted(ground, inside & (np.mod(across, 0.9) < 0.45), wear)


def _light(plan: Plan, x: Field, z: Field, noise: Field) -> Field:
    """Return 0..1 how much sun reaches each ground point: shade of houses and of trees."""
    wall_l, _, _, wall_r = plan.bands
    if plan.view == "street":
        edge = wall_l + 0.28 * (wall_r - wall_l) * (0.6 + 0.2 * np.sin(plan.seed[1] * 2.3))
        teeth = edge + 0.9 * np.sign(np.sin(z * 0.45 + plan.seed[1]))
        lit = np.clip((x - teeth) / 0.25, 0, 1)
    else:
        lit = np.ones_like(x)
    leaves = looked_up(noise, x, z, 14.0)
    for tree_x, tree_z in plan.trees:
        far = np.hypot((x - tree_x - 1.6) / 2.0, (z - tree_z - 1.2) / 2.2)
        lit = np.minimum(lit, np.clip((far - 0.85) * 2.0 + 0.9 * leaves + 0.35, 0, 1))
    return np.asarray(lit, np.float32)


def _fronts(plan: Plan, rng: Rng, picture: Image, lit: Field) -> None:
    """Draw the houses."""
    lens, size = plan.lens, (plan.lens.width, plan.lens.height)
    if plan.view != "street":
        wall_m = plan.bands[3]
        scale = lens.scale(wall_m)
        foot = round(lens.point(0, wall_m)[1])
        wall = facade.front(rng, lens.width / scale + 1.0)
        high = round(facade.WALL_M * scale)
        wall = u8(cv2.resize(wall, (lens.width, high), interpolation=cv2.INTER_AREA))
        cut = min(foot, high)
        picture[foot - cut : foot] = wall[high - cut :]
        lit[foot - cut : foot] = 0.75
        return
    for x, light in ((plan.bands[0], 0.15), (plan.bands[3], 0.95)):
        near = lens.focal * abs(x) / (lens.width * 0.75) * 0.5
        wall = facade.front(rng, WALL_FAR_M - near)
        # texture px (u, v) -> metres (z, up) -> picture px
        to_m = np.array([[1 / facade.WALL_PPM, 0, near], [0, -1 / facade.WALL_PPM, facade.WALL_M], [0, 0, 1]])
        to_px = np.array(
            [[lens.centre, 0, lens.focal * x], [lens.horizon, -lens.focal, lens.focal * lens.height_m], [1, 0, 0]]
        )
        where = to_px @ to_m
        drawn = u8(cv2.warpPerspective(wall, where, size, flags=cv2.INTER_LINEAR))
        cover = u8(cv2.warpPerspective(np.full(wall.shape[:2], 255, np.uint8), where, size))
        z = lens.focal * abs(x) / np.maximum(1.0, np.abs(np.arange(lens.width) - lens.centre))
        haze = np.clip(z / HAZE_M, 0, 0.45)[None, :, None]
        mixed = (drawn * (1 - haze) + 222.0 * haze).astype(np.uint8)
        inside = cover > 127
        picture[inside] = mixed[inside]
        lit[inside] = light


def _standing(
    plan: Plan, rng: Rng, picture: Image, lit: Field, depth_dm: NDArray[np.uint16]
) -> tuple[tuple[int, int, int, int], ...]:
    """Draw trees, lamps and bins, far ones first, and note how far each pixel of them is."""
    things: list[tuple[float, float, Sprite, bool]] = [(z, x, facade.tree(rng), True) for x, z in plan.trees]
    if plan.view == "street":
        things += [(z + 4.5, x * 1.12, facade.lamp(rng), False) for x, z in plan.trees[::4]]
        things += [(plan.trees[0][1] + 8.0, plan.bands[0] + 0.7, facade.bin_pair(rng), False)]
    leaves: list[tuple[int, int, int, int]] = []
    for z, x, sprite, is_tree in sorted(things, key=lambda thing: -thing[0]):
        scale = plan.lens.scale(z)
        foot_x, foot_y = plan.lens.point(x, z)
        # a crown throws no dark on its trunk's foot: its shade is in the light of the ground
        dark = () if is_tree else (shadow(sprite, scale, 0.0, flip=False),)
        for cut in (*dark, scaled(sprite, scale)):
            corner = (round(foot_x - cut.foot[0]), round(foot_y - cut.foot[1]))
            x0, y0, x1, y1 = lay(picture, corner, cut.colour, cut.through)
            if not cut.colour.any() or x1 <= x0:
                continue
            solid = cut.through[y0 - corner[1] : y1 - corner[1], x0 - corner[0] : x1 - corner[0], 0] < 110
            depth_dm[y0:y1, x0:x1][solid] = round(z * 10)
            lit[y0:y1, x0:x1][solid] = 0.7
            if is_tree:
                leaves += _blocks(rng, (x0, y0, x1, y1), scale, picture.shape)
    return tuple(leaves)


def _blocks(
    rng: Rng, box: tuple[int, int, int, int], scale: float, shape: tuple[int, ...]
) -> list[tuple[int, int, int, int]]:
    """Choose blocks well inside a crown for the wind."""
    x0, y0, x1, y1 = box
    side = max(6, round(scale * 0.5))
    found = []
    for _ in range(5):
        x = int(rng.integers(x0 + (x1 - x0) // 4, max(x0 + (x1 - x0) // 4 + 1, x1 - (x1 - x0) // 4 - side)))
        y = int(rng.integers(y0 + 3, max(y0 + 4, y0 + int((y1 - y0) * 0.38))))
        if 3 <= x < shape[1] - side - 3 and 3 <= y < shape[0] - side - 3:
            found.append((x, y, side, side))
    return found
