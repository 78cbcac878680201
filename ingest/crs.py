"""Coordinates to WGS-84, vectorised. Sources: the public GCJ-02 and BD-09 formulas (Krasovsky 1940 constants)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from schemas.device import Crs

Degrees = NDArray[np.float64]
Forward = Callable[[Degrees, Degrees], tuple[Degrees, Degrees]]

A = 6378245.0  # Krasovsky 1940, metres
EE = 0.00669342162296594323
BD_PI = np.pi * 3000.0 / 180.0
# GCJ-02 is an offset within this box and the identity outside it.
LON_RANGE = (73.66, 135.05)
LAT_RANGE = (3.86, 53.55)


def to_wgs84(lon: Degrees, lat: Degrees, crs: Crs) -> tuple[Degrees, Degrees]:
    """Convert (N,) degrees in ``crs`` to WGS-84 degrees; GCJ-02 and BD-09 to better than 1 mm.

    CGCS2000 differs from WGS-84 by centimetres and is taken as it is, and so is "from_message" (the caller has
    resolved it). Outside the box of GCJ-02 both are taken as they are: there the maps that speak them show WGS-84.
    Empty arrays give empty arrays.
    """
    if crs not in ("gcj02", "bd09"):
        return lon, lat
    within = _within(lon, lat)
    found_lon, found_lat = _invert(lon, lat, gcj02_to_bd09) if crs == "bd09" else (lon, lat)
    found_lon, found_lat = _invert(found_lon, found_lat, wgs84_to_gcj02)
    return np.where(within, found_lon, lon), np.where(within, found_lat, lat)


def wgs84_to_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Apply the offset of GCJ-02; identity outside its box. (N,) degrees."""
    x, y = lon - 105.0, lat - 35.0
    waves = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x)) + waves
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x)) + waves
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    rad = np.radians(lat)
    magic = 1 - EE * np.sin(rad) ** 2
    d_lat = north * 180.0 / (A * (1 - EE) / (magic * np.sqrt(magic)) * np.pi)
    d_lon = east * 180.0 / (A / np.sqrt(magic) * np.cos(rad) * np.pi)
    within = _within(lon, lat)
    return np.where(within, lon + d_lon, lon), np.where(within, lat + d_lat, lat)


def gcj02_to_bd09(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Apply what BD-09 adds to GCJ-02. (N,) degrees, within the box of GCJ-02."""
    z = np.hypot(lon, lat) + 0.00002 * np.sin(lat * BD_PI)
    theta = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * BD_PI)
    return z * np.cos(theta) + 0.0065, z * np.sin(theta) + 0.006


def _within(lon: Degrees, lat: Degrees) -> NDArray[np.bool_]:
    return (lon >= LON_RANGE[0]) & (lon <= LON_RANGE[1]) & (lat >= LAT_RANGE[0]) & (lat <= LAT_RANGE[1])


def _invert(lon: Degrees, lat: Degrees, forward: Forward) -> tuple[Degrees, Degrees]:
    """Fixed-point iteration: one step leaves 0.6 m at Ziyang, four leave less than a micrometre."""
    found_lon, found_lat = lon, lat
    for _ in range(6):
        there_lon, there_lat = forward(found_lon, found_lat)
        found_lon, found_lat = found_lon + (lon - there_lon), found_lat + (lat - there_lat)
    return found_lon, found_lat
