"""The page that lies in a party's copy: what it is, the steps, the pictures, what is left out and why. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.desk.words import role_name
from alerts.messages import Lang, class_name, state_name
from alerts.record.words import actor_name, step_words
from schemas.city import City
from schemas.units import utc

# Why a picture is not, or not in part, as its original: codes of redaction.json.
WHYS: dict[str, tuple[str, str]] = {
    "no_box": (
        "不知道案件目标在画面中的位置,整张打码",
        "where in it the thing is, is not known: all of it is hidden",
    ),
    "gone": ("原始照片已不在(保存期满或无法找到),未附", "its original is not there any more: it is not in this copy"),
    "changed": ("文件与保存时的摘要不符,未附", "its file is not the one that was kept: it is not in this copy"),
    "unreadable": ("照片无法解码,未附", "its original cannot be decoded: it is not in this copy"),
}
ROLES: dict[str, tuple[str, str]] = {
    "before": ("出现之前", "before"),
    "opening": ("发现时", "when found"),
    "standing": ("持续存在", "still there"),
    "back": ("再次出现", "back again"),
    "rework": ("处置后仍在", "there after it was dealt with"),
    "after": ("消失之后", "after"),
}
TEXTS: dict[str, tuple[str, str]] = {
    "title": ("案件当事人副本", "Copy of a case for its party"),
    "made": ("制作", "made"),
    "steps": ("一、办理经过", "1. The steps"),
    "pictures": ("二、照片", "2. The pictures"),
    "none": ("无", "none"),
    "left": ("三、未列入的内容及原因", "3. What is left out, and why"),
    "check": ("四、如何核对", "4. How to check"),
    "inner": ("内部步骤,仅列序号", "a step of the bureau's own, by its number only"),
    "shown": ("显示画面的 {} %", "{} % of it is shown"),
    "original": ("原件 SHA-256", "SHA-256 of the original"),
}
COPY = (
    "本副本不是原始证据。原始证据由本机关保存,供听证、诉讼使用;原始照片的 SHA-256 摘要见 redaction.json。",
    "This copy is not the evidence itself. The originals are kept for the hearing; redaction.json names their SHA-256.",
)
LEFT_OUT = (
    (
        "照片:案件目标(及其边缘)之外的画面均为单色块,以免他人、他车被辨认;画面上的时间、地点字样因此也可能看不到,"
        "拍摄时间以 redaction.json 为准。照片附带信息(EXIF 等)已去除。目标框内如有他人,未作处理。\n"
        "记录:他人姓名(经办、处置、举报投诉等人员)、举报投诉的编号和来源、他人填写的文字、"
        "本机关内部督办和备注(仅列序号)。"
    ),
    (
        "Pictures: all but the thing and its margin is blocks of one colour, so that nobody else and no other car can"
        " be known; a time that the camera wrote into the picture may be hidden with it: redaction.json has it. Data"
        " about the picture (EXIF and the like) is gone. Other people inside the thing's box are not hidden.\n"
        "Record: names of others (who decided, who did the work, who complained), numbers and source of complaints,"
        " what people wrote in their own words, and the bureau's own dealings (by their number only)."
    ),
)
CHECK = (
    (
        "python3 verify.py 本文件.zip 核对副本是否完整、未改动;python3 verify.py 本文件.zip --with 完整案卷.zip"
        " 与完整案卷逐项比对其记录和照片(本页不在比对之列)。"
        "副本自身不能证明记录和照片就是原件:缺少了未列入的部分,哈希无法重算。"
    ),
    (
        "python3 verify.py THIS.zip says whether the copy is whole and unchanged; python3 verify.py THIS.zip --with"
        " FULL.zip compares its record and pictures with the full bundle, item by item (not this page)."
        " By itself the copy cannot prove that record and pictures are the originals: without what is left out no hash"
        " can be worked out again."
    ),
)


def page(city: City, incident: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> str:
    """The page, Chinese first: ``incident`` and ``rows`` as ``bundle_rows`` reduces them, ``told``: redaction.json."""
    chinese, english = (_page(city, incident, rows, told, lang) for lang in ("zh", "en"))
    return "\n".join((*chinese, "", "-" * 72, "", *english, ""))


def why_words(code: str) -> dict[str, str]:
    """A code of ``WHYS`` with what it means: ``code``, ``zh``, ``en``; empty where there is none."""
    return {"code": code, "zh": WHYS[code][0], "en": WHYS[code][1]} if code else {}


def _page(
    city: City, incident: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], told: Mapping[str, Any], lang: Lang
) -> Iterator[str]:
    english, zone, by = lang == "en", ZoneInfo(city.timezone), told["made_by"]

    def say(key: str) -> str:
        return TEXTS[key][english]

    yield f"{say('title')}  {told['case']}".rstrip()
    yield f"{class_name(city, incident['class_code'], lang)} · {state_name(incident['state'], lang)}"
    made_at = datetime.fromisoformat(told["made_at"]).astimezone(zone)
    made = f"{by['name']} ({role_name(by['role'], lang)}) {made_at:%Y-%m-%d %H:%M:%S %Z}"
    yield from (f"{say('made')}: {made} {told['software']}", "", COPY[english], "", say("steps"))
    for row in rows:
        yield _step(city, row, zone, lang)
    yield from ("", say("pictures"))
    pictures = [_picture(one, zone, lang) for one in told["pictures"]]
    yield from pictures or [say("none")]
    yield from ("", say("left"), LEFT_OUT[english], "", say("check"), CHECK[english])


def _step(city: City, row: Mapping[str, Any], zone: ZoneInfo, lang: Lang) -> str:
    number = f"{row['seq']:>4}  "
    if "step" in row["left_out"]:
        return number + TEXTS["inner"][lang == "en"]
    at = utc(int(row["at_us"]) * 1000).astimezone(zone)
    who = actor_name(row["actor"], "system", lang) if "actor" in row else role_name(row.get("role", ""), lang)
    words = step_words(city, row["what"], row["detail"], lang)
    return f"{number}{at:%Y-%m-%d %H:%M:%S}  {words}" + (f"  ({who})" if who else "")


def _picture(one: Mapping[str, Any], zone: ZoneInfo, lang: Lang) -> str:
    english = lang == "en"
    role = ROLES.get(one["role"], (one["role"], one["role"]))[english]
    at = datetime.fromisoformat(one["captured_at"]).astimezone(zone)
    said = [f"{one['file'] or one['evidence_id']}  {role}  {at:%Y-%m-%d %H:%M:%S}  {one['camera_id']}"]
    if one["file"]:
        said.append(TEXTS["shown"][english].format(round(100 * one["shown_share"])))
    if one["why"]:
        said.append(one["why"][lang])
    return "; ".join((*said, f"{TEXTS['original'][english]} {one['original_sha256']}"))
