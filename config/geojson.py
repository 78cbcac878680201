"""GeoJSON (RFC 7946) as city packs have it: a FeatureCollection of Polygons of one ring, WGS-84, longitude first."""

from typing import Any

from config.faults import Faults
from config.polygon import open_ring
from config.reading import parse_json

JsonObject = dict[str, Any]


def features_of(text: str, file: str, faults: Faults, *, placeless: bool = False) -> list[tuple[str, JsonObject]]:
    """(where, properties with ``polygon``) of each feature that has a ring; faults are noted.

    Heights are left out, a closing corner that repeats the first is dropped, and so are properties that are null: map
    programs write them where nothing is said. ``placeless``: a geometry that is null
    is a feature without corners, and no fault.
    """
    if not text.strip():
        faults.add(file, "", "", "is empty")
        return []
    document = parse_json(text, faults, file)
    if document is None:
        return []
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, tuple) or document.get("type") != "FeatureCollection":
        faults.add(file, "", "", "is not a GeoJSON FeatureCollection")
        return []
    found = []
    for number, feature in enumerate(features):
        where = f"features[{number}]"
        item = _flat(feature, where, file, faults, placeless=placeless)
        if item is not None:
            found.append((where, item))
    return found


def _flat(feature: object, where: str, file: str, faults: Faults, *, placeless: bool) -> JsonObject | None:
    """Properties and outer ring of one feature as one table; None after noting why there is no ring."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if placeless and isinstance(properties, dict) and geometry is None:
        return {**_said(properties), "polygon": ()}
    if not isinstance(properties, dict) or not isinstance(geometry, dict):
        faults.add(file, where, "", "is not a Feature with properties and a geometry")
        return None
    rings = geometry.get("coordinates")
    if geometry.get("type") != "Polygon" or not isinstance(rings, tuple) or not rings:
        faults.add(file, f"{where}.geometry", geometry.get("type"), "is not a Polygon")
        return None
    if len(rings) > 1:
        faults.add(file, f"{where}.geometry", f"{len(rings)} rings", "has holes: a place is one ring")
        return None
    corners = rings[0]
    if not isinstance(corners, tuple):
        faults.add(file, f"{where}.geometry", "", "has no ring of corners")
        return None
    flat = [corner[:2] if isinstance(corner, tuple) and len(corner) == 3 else corner for corner in corners]  # no height
    return {**_said(properties), "polygon": open_ring(flat)}


def _said(properties: JsonObject) -> JsonObject:
    return {key: value for key, value in properties.items() if value is not None}
