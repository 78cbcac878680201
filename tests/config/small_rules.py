"""The optional files of the small pack, right as they stand, to break one thing at a time."""

from tests.config.small_pack import PackFolder

RULES = {
    "calendar.toml": """
[[hours]]
days = ["mon", "tue", "wed", "thu", "fri"]
from = "09:00"
to = "17:00"
[[holiday]]
date = 2026-10-01
name = "国庆节"
[[makeup]]
date = 2026-10-10
stands_for = "wed"
""",
    "limits.csv": """limit_id,stage,name,classes,cells,amount,unit,starts_from,valid_from,valid_to,source
all,handle,,,,8,working_h,,,,a source
stall,handle,,09006,,2,working_h,08:00,,,
street,handle,,09006,512002001,1,natural_h,,,,
stop,handle,stop,09006|06010,,4,working_h,,2026-01-01,2026-06-30,
later,handle,stop,09006,,2,working_d,,2026-07-01,,
""",
    "responsibility.csv": """unit,cells,classes,days,from,to,valid_from,valid_to
u-2,512002001,06010,,,,,
u-2,512002001001001,09006,sat|sun|holiday,18:00,24:00,2026-01-01,2026-12-31
""",
    "fixtures.toml": """
[[fixture]]
id = "f-1"
name = "F"
families = ["stall", "waste"]
polygon = [[104.64, 30.12], [104.6401, 30.12], [104.6401, 30.1201]]
valid_from = 2026-01-01
valid_to = 2026-12-31
[[fixture.box]]
camera = "cam-1"
box_px = [10, 20, 30, 40]
""",
    "shopfronts.toml": """
[[shop_front]]
id = "s-1"
name = "S"
party = "P"
camera_zones = [["cam-1", "left"]]
""",
    "areas.toml": """
[[area]]
id = "a-1"
name = "A"
class = "06010"
polygon = [[104.6405, 30.1205], [104.6406, 30.1205], [104.6406, 30.1206]]
""",
    "campaigns.toml": """
[[campaign]]
id = "c-1"
name = "C"
valid_from = 2026-03-01
valid_to = 2026-05-31
classes = ["06010"]
cells = ["512002001"]
dwell_factor = 0.5
direct = true
""",
    "duty.toml": """
[[duty]]
unit = "u-1"
vehicles = ["car-1"]
valid_from = 2026-01-01
valid_to = 2026-12-31
[[duty.hours]]
days = ["mon", "sun", "holiday"]
from = "06:00"
to = "22:00"
[[duty]]
unit = "u-2"
[[duty.hours]]
days = ["mon"]
from = "00:00"
to = "24:00"
""",
    "staff.csv": "person_id,name,role,unit\nli,李,dispatcher,\nwang,王,auxiliary,u-1\n",
}


def with_rules(folder: PackFolder) -> PackFolder:
    """Add the optional files to a small pack."""
    for name, text in RULES.items():
        (folder.path / name).write_text(text, encoding="utf-8")
    return folder
