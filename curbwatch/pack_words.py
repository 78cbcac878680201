"""The difference between two city packs in words, Chinese and English. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from alerts.messages import Lang
from curbwatch.pack_diff import Change

LISTED = 5  # cells that a line names; of more it says how many

TABLES = {
    "city": ("城市", "city"),
    "class": ("类别", "class"),
    "unit": ("单位", "crew"),
    "cell": ("网格", "cell"),
    "permit": ("疏导点", "permit"),
    "limit": ("时限", "limit"),
    "responsibility": ("权责", "responsibility"),
    "duty": ("值班", "duty"),
    "campaign": ("专项整治", "campaign"),
    "fixture": ("固定物", "fixture"),
    "shop_front": ("门前区域", "shop front"),
    "area": ("类别区域", "area"),
    "person": ("人员", "person"),
    "calendar": ("工作时间", "working hours"),
    "holiday": ("节假日", "holiday"),
    "makeup": ("调休上班日", "make-up workday"),
    "camera": ("相机", "camera"),
    "vehicle": ("车辆", "vehicle"),
}
VERBS = {"added": ("新增", "added"), "removed": ("取消", "removed"), "changed": ("变更", "changed")}
KEYS = {
    "name": "名称",
    "name_en": "英文名称",
    "hours": "时段",
    "families": "对象",
    "valid_from": "起始日期",
    "valid_to": "截止日期",
    "polygon": "范围",
    "camera_zones": "相机区域",
    "amount": "时限",
    "stage": "环节",
    "classes": "类别",
    "cells": "网格",
    "starts_from": "起算时刻",
    "source": "依据",
    "matter_code": "事项代码",
    "legacy_2013": "2013版代码",
    "legacy_cjt214": "CJ/T 214代码",
    "family": "对象",
    "class": "类别",
    "kind": "种类",
    "mode": "立案方式",
    "handle_h": "处置工时",
    "dwell_s": "停留秒数",
    "urgent": "紧急",
    "check": "核查",
    "grace_h": "自行纠正时限",
    "grave": "须二人同意",
    "unit": "责任单位",
    "party": "责任人",
    "role": "角色",
    "vehicles": "车辆",
    "timezone": "时区",
    "cell": "所在网格",
    "stands_for": "按何日上班",
    "direct": "直接派遣",
    "dwell_factor": "停留系数",
    "box": "画面位置",
}


def words(changes: Sequence[Change], lang: Lang) -> list[str]:
    """One line for each change; cells that go from one crew to another the same way are told together.

    No changes give one line that says so.
    """
    if not changes:
        return ["两个城市包内容相同" if lang == "zh" else "both packs say the same"]
    moved = [change for change in changes if _moved(change)]
    return _moves(moved, lang) + [told(change, lang) for change in changes if not _moved(change)]


def _moved(change: Change) -> bool:
    """Whether a cell only changes hands."""
    return (change.table, change.change) == ("cell", "changed") and all(
        key.startswith("units.") for key in change.fields
    )


def _moves(changes: Iterable[Change], lang: Lang) -> list[str]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        for key, (before, after) in change.fields.items():
            groups.setdefault((key.removeprefix("units."), before, after), []).append(change.key)
    lines = []
    for (family, before, after), cells in groups.items():
        listed = ", ".join(cells[:LISTED])
        if len(cells) > LISTED:
            listed += f" 等 {len(cells)} 个" if lang == "zh" else f" and {len(cells) - LISTED} more"
        what = {"*": "其他" if lang == "zh" else "all others"}.get(family, family)
        if lang == "zh":
            lines.append(f"网格 {listed}：{what} 由 {before} 改为 {after} 负责")
        else:
            lines.append(f"cell {listed}: {what} goes from {before} to {after}")
    return lines


def told(change: Change, lang: Lang) -> str:
    """One change in one line."""
    if change.change == "changed":
        fields = {key: f"{before} → {after}" for key, (before, after) in change.fields.items()}
        return stated(change.table, change.key, change.name, fields, lang)
    verb = VERBS[change.change][lang == "en"]
    fields = {key: pair[change.change == "added"] for key, pair in change.fields.items()}
    return f"{verb} {stated(change.table, change.key, change.name, fields, lang)}"


def stated(table: str, key: str, name: str, fields: Mapping[str, str], lang: Lang) -> str:
    """What is said of one thing, in one line; what it leaves open is left out."""
    what = " ".join(part for part in (TABLES[table][lang == "en"], key, name) if part)
    colon, comma = (": ", ", ") if lang == "en" else ("：", "，")
    listed = comma.join(f"{_key(one, lang)} {text}" for one, text in fields.items() if text not in {"-", "*", "false"})
    return f"{what}{colon}{listed}" if listed else what


def _key(key: str, lang: Lang) -> str:
    return key if lang == "en" else KEYS.get(key, key)


def counted(changes: Iterable[Change]) -> dict[str, dict[str, int]]:
    """How many were added, removed and changed, table by table; tables where nothing changed are left out."""
    found: dict[str, Counter[str]] = {}
    for change in changes:
        found.setdefault(change.table, Counter())[change.change] += 1
    return {table: dict(counts) for table, counts in found.items()}
