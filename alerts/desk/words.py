"""What the desk says of acts and refusals, in Chinese and English. Pure."""

from alerts.desk.lifecycle import Act, Refusal
from alerts.desk.reasons import DOWNGRADES, VOIDS, listed
from alerts.messages import Lang, family_name, state_name
from schemas.record import State

ACTS: dict[str, tuple[str, str]] = {
    Act.CONFIRM: ("核实派遣", "confirm"),
    Act.FILE: ("立案", "file"),
    Act.VOID: ("作废", "void"),
    Act.DOWNGRADE: ("降级或改类", "downgrade"),
    Act.SNOOZE: ("暂停提醒", "snooze"),
    Act.WAKE: ("恢复提醒", "wake"),
    Act.MERGE: ("并案", "merge"),
    Act.CLOSE: ("核查结案", "close"),
    Act.REWORK: ("返工", "send back"),
    Act.SELF_HANDLE: ("自处置", "handle on the spot"),
    Act.SUSPEND: ("挂账", "suspend"),
    Act.RESUME: ("恢复办理", "resume"),
    Act.EXTEND: ("延时", "extend"),
    Act.REOPEN: ("重新立案", "reopen"),
    Act.NOTE: ("备注", "note"),
    Act.HOLD: ("证据保全", "hold"),
    Act.RELEASE: ("解除保全", "release"),
}
ROLES: dict[str, tuple[str, str]] = {
    "inspector": ("监督员", "inspector"),
    "intake": ("受理员", "intake clerk"),
    "duty_lead": ("值班长", "duty lead"),
    "dispatcher": ("派遣员", "dispatcher"),
    "officer": ("执法队员", "officer"),
    "auxiliary": ("协管员", "auxiliary"),
    "supervisor": ("督查", "supervisor"),
    "auditor": ("审计员", "auditor"),
    "crew": ("处置人员", "crew"),
    "system": ("系统", "system"),
}
# {what} is the act; other names are what the refusal says.
REFUSALS: dict[str, tuple[str, str]] = {
    "auxiliary": (
        "{who}是协管员:可以劝导、采集和备注,不能{what}",
        "{who} is auxiliary staff, who advise and collect and never decide: they cannot {what}, only note",
    ),
    "auditor": ("{who}是审计员,只能查看,不能{what}", "{who} is an auditor, who reads only: no {what}"),
    "crew": (
        "{who}是处置人员,只办理本人的任务,不能{what}",
        "{who} is of a crew, which does its own jobs only: no {what}; see `curbwatch dispatch`",
    ),
    "role": ("{who}是{role},无权{what}", "{who} is {role}, who may not {what}"),
    "state": ("案件{state},现在不能{what}", "it is {state}: {what} is not what it needs now"),
    "ended": (
        "案件{state},已结束,不能{what};需要时请先重新立案",
        "it is {state} and has ended: no {what}; `curbwatch incident reopen` where it must go on",
    ),
    "merged": (
        "案件已并案,不能{what};请办理并入的案件 {into}",
        "it was merged: no {what}; go on with the case it went into, {into}",
    ),
    "void_reason": ("作废须有理由:--reason 取 {codes}", "voiding needs a reason: --reason one of {codes}"),
    "downgrade_reason": ("降级须有理由:--reason 取 {codes}", "a downgrade needs a reason: --reason one of {codes}"),
    "text": ("请说明具体情况:--text", "say what it is: --text TEXT"),
    "why": ("请说明原因:--text", "say why: --text TEXT"),
    "second": (
        "{who}已提出作废,须由另一人确认",
        "{who} asked to void it already: a second person must say the same",
    ),
    "no_change": ("类别与紧急程度都未改变({class})", "nothing would change: it is {class} and as urgent already"),
    "family": (
        "{class}不属于同一大类({family}):是另一件事,须另立一案",
        "{class} is not of the family {family}: another thing, another case",
    ),
    "until": ("请给出未来{days}天内的截止时间:--until", "until when? --until a moment to come, within {days} days"),
    "into": ("请给出并入的案件:--into", "into which? --into ID"),
    "own_work": ("{who}是处置人,不能核查自己的工作", "{who} did the work: another person must check it"),
    "pictures": (
        "自处置须有处置前、后照片:--before --after",
        "handling on the spot needs two pictures: --before FILE (or its own) and --after FILE",
    ),
    "hours": ("延时须大于0且不超过{most}工作小时:--hours", "how long? --hours above 0 and at most {most}, of work"),
    "extended": (
        "本阶段已延时一次,再延须由督查批准",
        "this stage was extended once: only a supervisor does it again",
    ),
    "call": ("求助不能挂账,也不能暂停提醒", "somebody calls for help: that is neither put off nor made quiet"),
    "not_quiet": (
        "此处未暂停提醒,无须恢复",
        "its place is not quiet: what stands there opens an incident as anywhere",
    ),
    "not_held": ("案件未被保全", "it is not held"),
}

REASONS = {"void_reason": VOIDS, "downgrade_reason": DOWNGRADES}
PAST = frozenset({Act.CONFIRM, Act.FILE, Act.RESUME})  # refused where they are done already: nothing is to do instead
# What to do instead, by the state a case is in.
WAYS: dict[str, tuple[str, str]] = {
    State.GRACE: (";可先核实派遣(confirm)或立案(file)", "; `confirm` or `file` it first"),
    State.VERIFY: (";请先核实派遣(confirm)或立案(file)", "; `confirm` or `file` it first"),
    State.FILED: (";请先核实派遣(confirm)", "; `confirm` sends it out first"),
    State.DISPATCHED: (
        ";须等处置人反馈处置完毕(dispatch done)",
        "; a crew says first that it is dealt with (`dispatch done`)",
    ),
    State.HANDLING: (
        ";须等处置人反馈处置完毕(dispatch done)",
        "; a crew says first that it is dealt with (`dispatch done`)",
    ),
    State.CHECKING: (";可核查结案(close)或返工(rework)", "; `close` it, or send it back with `rework`"),
    State.SUSPENDED: (";请先恢复办理(resume)", "; `resume` it first"),
}


def refusal_line(refusal: Refusal, act: Act, lang: Lang) -> str:
    """Why something was refused, in one sentence."""
    at = int(lang == "en")
    said = dict(refusal.said)
    if "role" in said:
        said["role"] = role_name(said["role"], lang)
    if "family" in said:
        said["family"] = family_name(said["family"], lang)
    if refusal.code in REASONS:
        said["codes"] = listed(REASONS[refusal.code], english=lang == "en")
    state = said.get("state", "")
    past = act in PAST and state != State.SUSPENDED
    way = WAYS[state][at] if refusal.code == "state" and state in WAYS and not past else ""
    if "state" in said:
        said["state"] = state_name(said["state"], lang)
    return REFUSALS[refusal.code][at].format(**(said | {"what": ACTS[act][at]})) + way


def role_name(role: str, lang: Lang) -> str:
    """A role as people say it; unknown ones as they are."""
    return ROLES.get(role, (role, role))[lang == "en"]
