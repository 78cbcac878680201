"""The record as a person reads it: what each step says, in Chinese and English. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.clocks.words import lamp_name, list_name, stage_name
from alerts.desk.reasons import DOWNGRADES, VOIDS
from alerts.desk.words import role_name
from alerts.messages import WHYS_SHORT, Lang, class_name, state_name, unit_name
from alerts.record.audit import Audit
from schemas.alarms import SOS_CLASS
from schemas.city import City
from schemas.record import What

WHATS: dict[str, tuple[str, str]] = {
    What.OPENED: ("发现", "found"),
    What.GRACE_OVER: ("劝诫期满未整改", "its grace is over, and it was not put right"),
    What.CONFIRMED: ("核实立案", "confirmed"),
    What.FILED: ("立案", "filed"),
    What.DISPATCHED: ("派遣", "sent to a unit"),
    What.TAKEN: ("领取任务", "took the job"),
    What.REJECTED: ("退回任务", "gave the job back"),
    What.LEASE_EXPIRED: ("领取超时,任务退回", "the lease ran out, the job is back"),
    What.REASSIGNED: ("改派", "reassigned"),
    What.FINISHED: ("反馈处置完毕", "says it is dealt with"),
    What.REWORK: ("返工", "sent back to the crew"),
    What.DONE: ("结案", "closed"),
    What.SELF_HANDLED: ("自处置结案", "dealt with on the spot"),
    What.GONE: ("已自行消失", "gone"),
    What.CORRECTED: ("自行纠正", "put right by its party"),
    What.LEFT: ("目标离开", "left"),
    What.BACK: ("目标返回", "came back"),
    What.REOPENED: ("重新立案", "reopened"),
    What.SUSPENDED: ("挂账", "suspended"),
    What.RESUMED: ("恢复办理", "resumed"),
    What.EXTENDED: ("延时", "given more time"),
    What.RECLASSED: ("改类", "called otherwise"),
    What.SNOOZED: ("暂停提醒", "its place is quiet"),
    What.WOKEN: ("恢复提醒", "its place is quiet no longer"),
    What.VOID_ASKED: ("提出作废,待另一人确认", "asked to void it, a second person must agree"),
    What.VOID: ("作废", "voided"),
    What.MERGED: ("并案", "merged"),
    What.ATTACHED: ("关联线索", "a report came to it"),
    What.EVIDENCE: ("补充照片", "a picture came to it"),
    What.URGED: ("催办", "urged"),
    What.ESCALATED: ("督办", "escalated"),
    What.NOTED: ("备注", "note"),
    What.HELD: ("证据保全", "held"),
    What.RELEASED: ("解除保全", "released"),
}
PARTS: dict[str, tuple[str, str]] = {
    "detector": ("系统识别", "detector"),
    "relay": ("系统派遣", "relay"),
    "clock": ("系统时钟", "clock"),
    "intake": ("车载终端", "vehicle terminal"),
}
SHOWN_ID = 8  # characters of an id that a person reads
# Values that are codes, by themselves alike in every key.
CODES: dict[str, tuple[str, str]] = {
    "unchecked": ("未经核查", "unchecked"),
    "checked": ("核查通过", "checked"),
    "person": ("人工", "by a person"),
    "still_there": ("仍在原处", "it is there still"),
    "seen_better": ("后续画面更清楚", "a later picture shows it better"),
    "unseen": ("长时间未再看到", "not seen for long"),
    "unit_gone": ("原单位已不在城市包中", "its unit is not in the city pack any more"),
    "requeued": ("任务重新排队", "its job was put back in the queue"),
    "untaken": ("无人领取", "nobody took it"),
    "still_untaken": ("仍无人领取", "still nobody took it"),
    "forgotten": ("挂账已到期", "its suspension is over"),
    "digest": ("一并告知", "told together"),
    "opening": ("发现时照片", "the picture when found"),
    "standing": ("持续存在照片", "a picture that it stands"),
    "complaint": ("投诉", "complaint"),
    "vehicle": ("车载上报", "vehicle"),
    "patrol": ("巡查", "patrol"),
} | WHYS_SHORT
HOW = {"camera": ("摄像头核查通过", "checked by the camera")}
SOURCES = {"camera": ("摄像头", "by camera")}
# The order in which details are told; the database keeps them in one of its own.
OF_WHOM = ("class", "from", "to", "to_unit", "unit", "stage", "people", "lamp", "name")
ORDER = (*OF_WHOM, "also", "due_at", "working_h", "at", "how", "list", "why", "reason", "rework", "until")
MOMENTS = {
    "at": ("", ""),
    "due_at": ("时限 ", "due "),
    "until": ("至 ", "until "),
    "since": ("等待自 ", "waits since "),
    "suspended_at": ("挂账自 ", "suspended since "),
}
# What a reader of the timeline has no use for; `show --json` and `log` have it.
SILENT = frozenset(
    {
        "alarm",
        "digest",
        "before_digest",
        "after_digest",
        "evidence",
        "before",
        "after",
        "zone",
        "track",
        "job",
        "hold",
        "was",
        "by",
        "grave",
        "handled",
        "rule",
    }
    | {"family", "day", "round", "limit", "cases", "quiet", "times"}
)
# What a check of the record may find, by alerts.record.audit.Finding.kind.
FINDINGS = {
    "changed": "内容与写入时不同",
    "missing": "应有的一步缺失",
    "doubled": "同一步出现两次",
    "moved": "不接在前一步之后",
    "head": "与案件自身所记的最后一步不符",
    "gone": "整个案件缺失",
    "resealed": "与封存的内容不同",
    "seal": "封存被改动、缺失或错位",
    "cut": "没有 --head 所给哈希的封存:记录被截断,或此后被重做",
}
# What a lamp's or a list's step need not say, beside who was told and why.
TURNED = frozenset({What.URGED, What.ESCALATED})
UNTAKEN = frozenset({"to", "stage", "unit"})
OF_TURN = {"untaken": UNTAKEN, "still_untaken": UNTAKEN, "stuck": frozenset({"to", "why"})}


def actor_name(actor: str, role: str, lang: Lang) -> str:
    """Who it was, as people say it: parts of the system by what they do."""
    return PARTS[actor][lang == "en"] if role == "system" and actor in PARTS else actor


def step_words(city: City, what: str, detail: Mapping[str, Any], lang: Lang) -> str:
    """What a step says: its word, then what a person wants to know of its details."""
    word = WHATS.get(what, (what, what))[lang == "en"]
    hidden: frozenset[str] = frozenset()
    if what in TURNED:
        hidden = OF_TURN.get(str(detail.get("why", "")), frozenset({"to"}))
        detail = dict(detail) | {"people": _people(city, detail, lang)}
    keys = sorted(detail, key=lambda key: (ORDER.index(key) if key in ORDER else len(ORDER), key))
    told = [said for key in keys if key not in hidden and (said := _told(city, what, key, detail[key], lang))]
    return " · ".join((word, *told))


def audit_lines(audit: Audit, lang: Lang) -> Iterator[str]:
    """What a check of the record found, as a person reads it."""
    yield from (_audit_en if lang == "en" else _audit_zh)(audit)


def _audit_en(audit: Audit) -> Iterator[str]:
    for finding in audit.findings:
        yield f"{finding.kind:9} {finding.message}"
    if audit.more:
        yield f"… and {_grouped(audit.more)} more"
    yield (
        f"{'NOT AS IT WAS WRITTEN' if audit.findings else 'as it was written'}: {_grouped(audit.rows)} rows of"
        f" {_grouped(audit.incidents)} incidents, {_grouped(audit.seals)} seals"
    )
    if audit.unchained:
        yield f"{_grouped(audit.unchained)} rows are older than the chain, and prove nothing"
    if audit.unsealed:
        yield f"{_grouped(audit.unsealed)} rows of {_grouped(audit.unsealed_incidents)} incidents are not sealed yet"
    if audit.head:
        yield f"newest seal {audit.head}"


def _audit_zh(audit: Audit) -> Iterator[str]:
    for finding in audit.findings:
        where = f"案件 {finding.incident_id}" if finding.incident_id else ""
        row = f"第 {finding.seq} 步" if finding.seq else ""
        seal = f"封存 {finding.seal_id}" if finding.seal_id else ""
        told = " ".join(part for part in (where, row, seal) if part)
        yield f"{finding.kind:9} {told + ':' if told else ''}{FINDINGS.get(finding.kind, finding.message)}"
    if audit.more:
        yield f"… 另有 {_grouped(audit.more)} 处"
    yield (
        f"{'记录与写入时不一致' if audit.findings else '记录与写入时一致'}:{_grouped(audit.incidents)} 件案件"
        f" {_grouped(audit.rows)} 步,封存 {_grouped(audit.seals)} 个"
    )
    if audit.unchained:
        yield f"{_grouped(audit.unchained)} 步早于哈希链,不能作证明"
    if audit.unsealed:
        yield f"{_grouped(audit.unsealed_incidents)} 件案件的 {_grouped(audit.unsealed)} 步尚未封存"
    if audit.head:
        yield f"最新封存 {audit.head}"


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _people(city: City, detail: Mapping[str, Any], lang: Lang) -> str:
    """Who was told: their role, then their names by the pack's staff; empty where the step names neither."""
    staff = city.rules.staff
    ids = [str(one) for one in detail.get("people", ())]
    names = [staff[one].name if one in staff else one for one in ids]
    return " ".join((role_name(str(detail.get("to", "")), lang), *names)).strip()


def _told(city: City, what: str, key: str, value: object, lang: Lang) -> str:
    """One detail; empty: it is not for the timeline."""
    if key in SILENT or value in (None, "", False):
        return ""
    text = str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
    if (text in city.classes or text == SOS_CLASS) and key in {"class", "to", "from"}:
        return ("→ " if key == "to" else "") + class_name(city, text, lang)
    if text in city.units and key in {"unit", "to", "from"}:
        return ("→ " if key == "to" else "") + unit_name(city, text, lang)
    if key in MOMENTS:
        return MOMENTS[key][lang == "en"] + _moment(city, text)
    words = {
        # No arrow: a job that somebody gave to another unit, or that a crew holds, stays where it is.
        "to_unit": (f"现由{unit_name(city, text, 'zh')}负责", f"{unit_name(city, text, 'en')} answers for it now"),
        "rework": ("返工", "rework"),
        "urgent": ("紧急", "urgent"),
        "case_no": (f"案号 {text}", f"case {text}"),
        "working_h": (f"{text} 工作小时", f"{text} h of work"),
        "stage": (stage_name(text, lang), stage_name(text, lang)),
        "also": (stage_name(text, lang), stage_name(text, lang)),
        "lamp": (lamp_name(text, lang), lamp_name(text, lang)),
        "list": (list_name(text, lang), list_name(text, lang)),
        "count": (f"共 {text} 件", f"{text} in all"),
        "finished_by": (f"处置人 {text}", f"by {text}"),
        "second": (f"复核人 {text}", f"with {text}"),
        "instead_of": (f"先前理由:{_reason(text, zh=True)}", f"the reason before: {_reason(text, zh=False)}"),
        "asked_by": (f"提出人 {text}", f"asked by {text}"),
        "holder": (f"任务原在 {text}", f"{text} had the job"),
        "into": (f"并入 {text[:SHOWN_ID]}", f"into {text[:SHOWN_ID]}"),
        "from": (f"来自 {text[:SHOWN_ID]}", f"from {text[:SHOWN_ID]}"),
        "distance_m": (f"距离 {text} 米", f"{text} m away"),
        "permit": (f"现有许可 {text}", f"permit {text} holds now"),
        "words": (f"撤销暂停 {text} 项", f"quiets ended: {text}"),
        "woken": (f"撤销暂停 {text} 项", f"quiets ended: {text}"),
        "state": (state_name(text, lang), state_name(text, lang)),
    }
    return words.get(key, _code(what, key, text))[lang == "en"]


def _code(what: str, key: str, text: str) -> tuple[str, str]:
    """The words of a value that is a code; itself where it is none."""
    reasons = {code: (one.zh, one.en) for code, one in (DOWNGRADES if what == What.RECLASSED else VOIDS).items()}
    known = {"how": HOW, "source": SOURCES, "reason": reasons}.get(key, {})
    return (CODES | known).get(text, (text, text))


def _reason(code: str, *, zh: bool) -> str:
    known = VOIDS.get(code)
    return code if known is None else known.zh if zh else known.en


def _moment(city: City, text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(ZoneInfo(city.timezone)).strftime("%m-%d %H:%M:%S")
    except ValueError:
        return text
