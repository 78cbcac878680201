"""What a tired dispatcher reads at 3 a.m., in Chinese and English. Pure."""

from datetime import datetime
from shlex import quote
from typing import Literal
from zoneinfo import ZoneInfo

from schemas.alarms import SOS, SOS_CLASS
from schemas.city import City
from schemas.dispatch import Why
from schemas.incident import IncidentRow, Job

Lang = Literal["zh", "en"]
INCIDENT_STATES = {
    "verify": ("待核实", "to verify"),
    "grace": ("劝诫期内", "advised, may be put right"),
    "filed": ("已立案", "filed"),
    "dispatched": ("已派遣", "dispatched"),
    "handling": ("处置中", "being handled"),
    "checking": ("待核查", "to be checked"),
    "suspended": ("挂账", "suspended"),
    "corrected": ("自行纠正", "put right by its party"),
    "merged": ("已并案", "merged"),
    "done": ("已结案", "closed"),
    "gone": ("已自行消失", "gone"),
    "void": ("已作废", "void"),
}
FAMILIES = {
    "stall": ("占道经营", "stall"),
    "waste": ("垃圾", "waste"),
    "truck": ("渣土车", "truck"),
    "sos": ("呼救", "sos"),
}
REPORTS = {"complaint": ("投诉", "complaint"), "patrol": ("巡查", "patrol"), "vehicle": ("车载上报", "vehicle")}
JOB_STATES = {
    "queued": ("待领取", "waiting"),
    "taken": ("已领取", "taken"),
    "done": ("已处置", "done"),
    "withdrawn": ("已撤回", "withdrawn"),
    "stuck": ("待派遣员处理", "set aside"),
}
EVENTS = {
    "queued": ("新任务", "new job"),
    "taken": ("已领取", "taken"),
    "not_taken": ("未能领取", "not taken"),
    "returned": ("退回待领取", "back in the queue"),
    "moved": ("已改派其他单位", "moved to another unit"),
    "reassigned": ("已改派", "reassigned"),
    "escalated": ("已升级派遣", "escalated"),
    "dead": ("多次未能送达,待派遣员处理", "set aside: no terminal got past it"),
    "stray": ("队列条目不指向任何任务", "a queue entry that leads to no job"),
    "requeued": ("已重新排队", "queued again"),
    "rejected": ("已退回", "given back"),
    "done": ("处置完毕", "done"),
    "withdrawn": ("已撤回,目标已消失", "withdrawn: the object is gone"),
    "lost": ("领取已超时,任务已退回队列", "your lease ran out: the job went back to the queue"),
    "confirmed": ("已核实,任务已发出", "confirmed: its job goes out"),
    "shown": ("任务", "job"),
    "none": ("暂无任务", "nothing waits"),
    "trouble": ("连接中断,自动重试", "connection lost, trying again"),
    "back": ("连接恢复", "connected again"),
    "stopped": ("已停止", "stopped"),
}
# What a person is told of an escalation that moved nothing.
AGAIN = ("(已办过,未重复)", " (done before, not twice)")  # behind what was done
STAYED = ("无其他当班单位,已转为紧急", "no other unit is on duty: urgent now, where it is")
# Why a unit has a job, by schemas.dispatch.Why; {} is the responsible unit.
WHYS = {
    "responsible": ("责任区内", "it is responsible here"),
    "nearest": ("{}不当班,本单位最近", "{} is off duty, this one is nearest"),
    "nearest_any": ("呼救,本单位最近", "a call for help, this one is nearest"),
    "on_duty": ("本单位当班,各车位置不明", "it is on duty; where the cars are is not known"),
    "nobody": ("无单位当班,待责任单位", "nobody is on duty: it waits for who is responsible"),
    "reassigned": ("派遣员改派", "a dispatcher gave it to this unit"),
    "escalated": ("经升级派遣", "it was escalated"),
}

# The same in a word or two, for a column and for a timeline.
WHYS_SHORT = {
    "responsible": ("责任区", "our ground"),
    "nearest": ("最近", "nearest on duty"),
    "nearest_any": ("最近", "nearest on duty"),
    "on_duty": ("当班", "on duty"),
    "nobody": ("无人当班", "nobody on duty"),
    "reassigned": ("改派", "reassigned"),
    "escalated": ("升级", "escalated"),
}


def state_name(state: str, lang: Lang) -> str:
    """An incident's state as people say it; unknown ones as they are."""
    return INCIDENT_STATES.get(state, (state, state))[lang == "en"]


def family_name(family: str, lang: Lang) -> str:
    """A family of classes as people say it; unknown ones as they are."""
    return FAMILIES.get(family, (family, family))[lang == "en"]


def report_name(kind: str, lang: Lang) -> str:
    """What a report is, as people say it; unknown kinds as they are."""
    return REPORTS.get(kind, (kind, kind))[lang == "en"]


def job_state_name(state: str, lang: Lang) -> str:
    """A job's state as people say it, or ``stuck``; unknown ones as they are."""
    return JOB_STATES.get(state, (state, state))[lang == "en"]


def class_name(city: City, code: str, lang: Lang) -> str:
    """A class as the city says it, or a call for help, which no catalogue has; unknown codes as they are."""
    case = city.classes.get(code)
    if case is None and code == SOS_CLASS:
        return "SOS: help needed" if lang == "en" else "车辆呼救"
    if case is None:
        return code
    return case.name_en if lang == "en" else case.name_zh


def unit_name(city: City, unit_id: str, lang: Lang) -> str:
    """A unit's name; unknown ids as they are."""
    unit = city.units.get(unit_id)
    if unit is None:
        return unit_id
    return unit.name_en if lang == "en" else unit.name_zh


def duration(seconds: float, lang: Lang) -> str:
    """A duration in the largest unit that fits: seconds below two minutes, minutes below two hours, else hours.

    Less than nothing, between two clocks that disagree, is 0.
    """
    seconds = max(seconds, 0.0)
    for limit_s, unit_s, zh, en in ((120, 1, "秒", "s"), (7200, 60, "分钟", "min"), (float("inf"), 3600, "小时", "h")):
        if seconds < limit_s:
            value = f"{seconds / unit_s:.0f}"
            return f"{value} {en}" if lang == "en" else f"{value}{zh}"
    return ""


def headline(city: City, names: dict[str, str], incident: IncidentRow, lang: Lang, now: datetime) -> str:
    """Place, what, since when: one line.

    ``names`` maps a camera to what a person calls it; ``now`` is aware. The day is told where it is not today. Of what
    nobody has looked at yet it is only known when it was told.
    """
    place = place_name(city, names, incident, lang)
    what = class_name(city, incident.class_code, lang)
    stood = duration(((incident.closed_at or now) - incident.appeared_at).total_seconds(), lang)
    zone = ZoneInfo(city.timezone)
    came = incident.appeared_at.astimezone(zone)
    since = came.strftime("%H:%M" if came.date() == now.astimezone(zone).date() else "%m-%d %H:%M")
    if incident.family == SOS:
        return f"{place}: {what}, since {since} ({stood})" if lang == "en" else f"{place} {what},{since}起,已{stood}"
    if incident.source != "camera" and not incident.sightings:
        return (
            f"{place}: {what}, told of at {since} ({stood})"
            if lang == "en"
            else f"{place} {what},{since}接报,已{stood}"
        )
    if lang == "en":
        return f"{place}: {what}, there since {since} ({stood})"
    return f"{place} {what},{since}出现,已停留{stood}"


def place_name(city: City, names: dict[str, str], incident: IncidentRow, lang: Lang) -> str:
    """Where it is, in a few words: its camera or vehicle, else its cell, else its coordinates; never empty."""
    point = "" if incident.lon is None or incident.lat is None else f"{incident.lon:.6f},{incident.lat:.6f}"
    camera = names.get(incident.camera_id) or incident.camera_id
    cell = _cell_name(city, incident.cell_id) or incident.cell_id
    return camera or cell or point or ("place not known" if lang == "en" else "地点不详")


def job_lines(
    city: City, names: dict[str, str], job: Job, lang: Lang, now: datetime, reader: str | None = None
) -> list[str]:
    """A job as a crew needs it: what and where first, then how to find it, then how to end it where they hold it.

    ``reader`` is who reads it, None: who holds it. Nobody is shown how to end another's.
    """
    incident = job.incident
    urgent = {"zh": "【紧急】", "en": "[URGENT] "}[lang] if job.urgency == "urgent" else ""
    spot = "" if incident.lon is None or incident.lat is None else f"{incident.lon:.6f}, {incident.lat:.6f} (WGS-84)"
    cell = " ".join(dict.fromkeys((_cell_name(city, incident.cell_id), incident.cell_id))).strip()
    unit = unit_name(city, job.unit_id, lang)
    why = why_line(city, names, job, lang)
    if lang == "en":
        place = [f"cell {cell}" if cell else "", f"unit {unit}", spot]
        ending = ["job " + job.job_id, f"done: curbwatch dispatch done {job.job_id} --as {quote(job.holder)}"]
    else:
        place = [f"网格 {cell}" if cell else "", f"承办单位 {unit}", spot]
        ending = ["任务号 " + job.job_id, f"处置完毕: curbwatch dispatch done {job.job_id} --as {quote(job.holder)}"]
    return [
        urgent + headline(city, names, incident, lang, now),
        "  " + "   ".join(part for part in place if part),
        *(["  " + why] if why else []),
        *("  " + line for line in (ending if job.state == "taken" and reader in {None, job.holder} else ending[:1])),
    ]


def after_done(incident: IncidentRow, lang: Lang) -> str:
    """What becomes of a case whose job is done: closed, or who checks it first; empty: nothing of these."""
    if incident.state == "done":
        return "the case is closed" if lang == "en" else "案件已结案"
    if incident.state != "checking":
        return ""
    if incident.check == "camera":
        return "the camera checks it now: then the case is closed" if lang == "en" else "待核查:由摄像头核查后结案"
    return "a person checks it now: then the case is closed" if lang == "en" else "待核查:由人工核查后结案"


def why_line(city: City, names: dict[str, str], job: Job, lang: Lang) -> str:
    """Why a unit has a job, with the vehicle and the straight distance where they are known; empty: not chosen yet.

    ``names`` maps a vehicle to what a person calls it.
    """
    if job.why == Why.NOBODY and job.state != "queued":
        return ""  # it waits no more
    said = WHYS.get(job.why, ("", ""))[lang == "en"].format(unit_name(city, job.incident.unit_id, lang))
    if not said or job.distance_m is None:
        return said
    car, far = names.get(job.vehicle_id) or job.vehicle_id, distance(job.distance_m, lang)
    return f"{said}; {car} is {far} away, straight" if lang == "en" else f"{said};{car}直线距离{far}"


def distance(metres: float, lang: Lang) -> str:
    """A distance as people say it: metres by tens below one kilometre, then kilometres with one decimal."""
    if metres < 995:
        value = f"{round(metres, -1):.0f}"
        return f"{value} m" if lang == "en" else f"{value}米"
    value = f"{metres / 1000:.1f}"
    return f"{value} km" if lang == "en" else f"{value}公里"


def event_line(event: str, lang: Lang) -> str:
    """What happened to a job, as people say it; unknown events as they are."""
    return EVENTS.get(event, (event, event))[lang == "en"]


def _cell_name(city: City, cell_id: str) -> str:
    return city.cells[cell_id].name if cell_id in city.cells else ""
