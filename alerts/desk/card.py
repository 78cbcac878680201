"""What is known of an incident, in a few lines that a person reads. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.messages import Lang, class_name, unit_name
from schemas.city import City
from schemas.incident import IncidentRow

WORDS: dict[str, tuple[str, str]] = {
    "class": ("类别", "class"),
    "case": ("案号", "case"),
    "place": ("地点", "place"),
    "unit": ("责任单位", "unit"),
    "party": ("责任人", "party"),
    "source": ("来源", "told by"),
    "seen": ("时间", "times"),
    "check": ("核查", "check"),
    "again": ("反复", "again"),
    "rule": ("依据", "rules"),
    "version": ("版本", "version"),
}
SOURCES = {
    "camera": ("摄像头", "a camera"),
    "complaint": ("投诉", "a complaint"),
    "vehicle": ("车载上报", "a vehicle"),
    "patrol": ("巡查", "a patrol"),
}
CHECKS = {
    "none": ("不需核查", "nobody"),
    "camera": ("由摄像头", "the camera"),
    "person": ("由人工", "a person"),
}


def card(city: City, names: dict[str, str], row: IncidentRow, lang: Lang) -> list[str]:
    """Lines about an incident; what is not known is left out. ``names`` maps a camera to what a person calls it."""
    told = {
        "class": _class(city, row, lang),
        "case": row.case_no,
        "place": _place(city, names, row, lang),
        "unit": " ".join(dict.fromkeys((unit_name(city, row.unit_id, lang), row.unit_id))).strip(),
        "party": row.party,
        "source": _source(row, lang),
        "seen": _times(city, row, lang),
        "check": CHECKS.get(row.check, (row.check, row.check))[lang == "en"],
        "again": _again(row, lang),
        "rule": row.rule_version[:12],
        "version": f"{row.version}",
    }
    width = 8 if lang == "en" else 4
    return [f"{_padded(WORDS[key][lang == 'en'], width)} {value}" for key, value in told.items() if value]


def _class(city: City, row: IncidentRow, lang: Lang) -> str:
    urgent = ("【紧急】", " [URGENT]")[lang == "en"] if row.urgent else ""
    return " ".join(dict.fromkeys((row.class_code, class_name(city, row.class_code, lang)))) + urgent


def _place(city: City, names: dict[str, str], row: IncidentRow, lang: Lang) -> str:
    cell = city.cells[row.cell_id].name if row.cell_id in city.cells else ""
    spot = "" if row.lon is None or row.lat is None else f"{row.lon:.6f}, {row.lat:.6f} (WGS-84)"
    camera = " ".join(dict.fromkeys((names.get(row.camera_id, ""), row.camera_id))).strip()
    zone = (f"区域 {row.zone}", f"zone {row.zone}")[lang == "en"] if row.zone else ""
    view = (f"预置位 {row.preset}", f"view {row.preset}")[lang == "en"] if row.preset else ""
    return "  ".join(part for part in (camera, zone, view, f"{cell} {row.cell_id}".strip(), spot) if part)


def _source(row: IncidentRow, lang: Lang) -> str:
    told = SOURCES.get(row.source, (row.source, row.source))[lang == "en"]
    if row.source != "camera":
        return told
    sure = f"{row.confidence:.0%}"
    return (
        f"{told},看到 {row.sightings} 次,把握 {sure}",
        f"{told}, looks: {row.sightings}, {sure} sure",
    )[lang == "en"]


def _times(city: City, row: IncidentRow, lang: Lang) -> str:
    moments: list[tuple[tuple[str, str], datetime | None]] = [
        (("出现", "came"), row.appeared_at),
        (("发现", "opened"), row.opened_at),
        (("最后看到", "last seen"), row.last_seen_at),
        (("劝诫至", "grace until"), row.grace_until),
        (("结束", "ended"), row.closed_at),
    ]
    zone = ZoneInfo(city.timezone)
    return "  ".join(
        f"{word[lang == 'en']} {at.astimezone(zone):%Y-%m-%d %H:%M:%S}" for word, at in moments if at is not None
    )


def _again(row: IncidentRow, lang: Lang) -> str:
    told = [
        (f"返工 {row.reworks}", f"{row.reworks} reworks")[lang == "en"] if row.reworks else "",
        (f"重新立案 {row.reopenings}", f"reopened {row.reopenings} times")[lang == "en"] if row.reopenings else "",
    ]
    return "  ".join(part for part in told if part)


def _padded(word: str, width: int) -> str:
    """A word that stands under the others; a Chinese character takes two columns."""
    columns = 1 if word.isascii() else 2
    return word + " " * (columns * (width - len(word)))
