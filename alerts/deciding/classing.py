"""Which class of its family a thing is: what is confused with what, and how it can be told. Pure.

The rules are those of the catalogue that public data files carry for GB/T 47678.5-2026 (not checked against the
official text), as far as a camera, a map and a clock can tell:

* goods out of a fixed shop are 09005, a vendor without a shop is 09006;
* a stall on a market's ground outside its hours is the market's affair, 09002;
* what lies where a vehicle has spilled it is 06014;
* waste around a bin is 06042, litter in a green belt is 06017: ground that the pack draws (``ClassArea``);
* a large or long-standing heap is 06011, small loose waste is 06010.

A rule whose class the pack does not have, or has in another family, counts as not there.
"""

from dataclasses import dataclass

from config.alerts import AlertKnobs
from schemas.city import City
from schemas.incident import Box
from schemas.place import Calibration

SHOP, MARKET, SPILL, HEAP = "09005", "09002", "06014", "06011"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a thing besides its family.

    Attributes:
        at_shop: it stands on a shop's front.
        at_market: it stands on ground that a permit would allow it at other hours of these days.
        area_code: class of the ground it lies on; empty: none.
        spilled: a truck's track says that it was spilled there.
        width_m: how wide it is; None where the camera is not calibrated.
        stood_s: captured seconds it has stood.
    """

    at_shop: bool = False
    at_market: bool = False
    area_code: str = ""
    spilled: bool = False
    width_m: float | None = None
    stood_s: float = 0.0


def class_code(city: City, family: str, seen: Circumstances, knobs: AlertKnobs) -> str:
    """Code of a thing of ``family``, which the city's ``default_class`` has: that one where no rule says more."""
    if family == "stall":
        rules = ((SHOP, seen.at_shop), (seen.area_code, True), (MARKET, seen.at_market))
    else:
        wide = seen.width_m is not None and seen.width_m >= knobs.heap_m
        heap = wide or seen.stood_s >= knobs.heap_h * 3600
        rules = ((SPILL, seen.spilled), (seen.area_code, True), (HEAP, heap))
    for code, holds in rules:
        if holds and code in city.classes and city.classes[code].family == family:
            return code
    return city.default_class[family]


def width_m(calibration: Calibration | None, box: Box) -> float | None:
    """Width in metres of a box, at its foot; None without a calibration, or where the foot is not below the horizon."""
    if calibration is None:
        return None
    below = box[1] + box[3] - calibration.horizon_row
    return box[2] / (calibration.px_per_m_slope * below) if below > 1 else None
