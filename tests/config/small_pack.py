"""A city pack small enough to break one thing at a time."""

from pathlib import Path

import pytest

from config.pack import Pack, load_pack
from schemas.errors import ConfigError

CELL = "512002001001001"
SMALL = {
    "city.toml": """
name = "T"
district = "512002"
timezone = "Asia/Shanghai"
[default_class]
stall = "09006"
waste = "06010"
""",
    "classes.csv": """
# source: nobody
code,name_zh,name_en,family,mode,handle_h
09006,占,Stall,stall,verify_first,2
06010,垃圾,Waste,waste,,4
""",
    "units.csv": "unit_id,name_zh,name_en\nu-1,一,One\nu-2,二,Two\n",
    "cells.geojson": """{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"cell_id": "512002001001001", "name": "A", "units": {"*": "u-1", "waste": "u-2"}},
"geometry": {"type": "Polygon", "coordinates": [[[104.64,30.12],[104.641,30.12],[104.641,30.121],[104.64,30.121],
[104.64,30.12]]]}}
]}""",
    "permits.toml": """
[[permit]]
id = "p-1"
name = "P"
families = ["stall"]
polygon = [[104.64, 30.12], [104.6405, 30.12], [104.6405, 30.1205]]
camera_zones = [["cam-1", "left"]]
valid_from = 2026-01-01
valid_to = 2026-12-31
[[permit.hours]]
days = ["mon", "sun"]
from = "01:00"
to = "08:30"
""",
    "cameras.toml": """
[[camera]]
id = "cam-1"
name = "C"
lon = 104.6405
lat = 30.1205
cell = "512002001001001"
unit = "u-1"
width = 1280
height = 720
[camera.calibration]
horizon_row = 100.0
px_per_m_slope = 0.2
lon = 104.64
lat = 30.12
bearing_deg = 10
height_m = 5
[[camera.zone]]
name = "left"
polygon = [[0, 300], [400, 300], [400, 720], [0, 720]]
[[camera]]
id = "cam-2"
name = "D"
lon = 104.6405
lat = 30.1205
cell = "512002001001001"
width = 640
height = 480
""",
    "vehicles.csv": "id,kind,unit,crs\ncar-1,enforcement,u-1,gcj02\n",
}


class PackFolder:
    """A folder holding the small pack, its files edited by replacement."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name, text in SMALL.items():
            (path / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text(encoding="utf-8")
        assert old in text
        (self.path / name).write_text(text.replace(old, new), encoding="utf-8")

    def load(self) -> Pack:
        return load_pack(self.path)

    def faults(self) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load()
        return [str(fault) for fault in caught.value.faults]
