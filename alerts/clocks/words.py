"""Stages, lamps and lists as people say them, in Chinese and English. Pure."""

from alerts.messages import Lang

STAGES = {
    "verify": ("核实", "verify"),
    "file": ("立案", "file"),
    "dispatch": ("派遣", "dispatch"),
    "handle": ("处置", "handle"),
    "check": ("核查", "check"),
}
LAMPS = {"green": ("绿灯", "green"), "yellow": ("黄灯", "yellow"), "red": ("红灯", "red")}
LISTS = {
    "undecided": ("应立未立", "not decided"),
    "unhandled": ("立而不办", "filed, not handled"),
    "unclosed": ("办而不结", "handled, not closed"),
    "forgotten": ("挂账到期", "suspended past its end"),
}
BUREAU = ("监督指挥中心", "bureau")


def stage_name(stage: str, lang: Lang) -> str:
    """A stage; unknown ones as they are."""
    return STAGES.get(stage, (stage, stage))[lang == "en"]


def lamp_name(lamp: str, lang: Lang) -> str:
    """A lamp; unknown ones as they are."""
    return LAMPS.get(lamp, (lamp, lamp))[lang == "en"]


def list_name(kind: str, lang: Lang) -> str:
    """A list of stuck cases; unknown ones as they are."""
    return LISTS.get(kind, (kind, kind))[lang == "en"]
