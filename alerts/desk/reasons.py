"""Why a case may be voided or downgraded: codes, with what people say for them in Chinese and English. Data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One code. ``real``: a thing was there, so the detector was right. ``wants_text``: the code alone says nothing."""

    zh: str
    en: str
    real: bool = False
    wants_text: bool = False


VOIDS: dict[str, Reason] = {
    "false_alarm": Reason("误报", "nothing of the kind is there"),
    "not_found": Reason("现场未发现", "not found on the spot"),
    "permitted": Reason("经许可", "it is permitted", real=True),
    "fixture": Reason("合法设施", "a fixture that belongs there", real=True),
    "duplicate": Reason("重复案件", "told of already", real=True),
    "not_ours": Reason("不属本辖区", "outside our district", real=True),
    "private": Reason("非公共区域", "on private ground", real=True),
    "test": Reason("测试", "a test", real=True),
    "other": Reason("其他", "something else", real=True, wants_text=True),
}
DOWNGRADES: dict[str, Reason] = {
    "minor": Reason("情节轻微", "a minor matter", real=True),
    "wrong_class": Reason("类别有误", "of another class", real=True),
    "leaving": Reason("正在自行整改", "being put right by its party", real=True),
    "other": Reason("其他", "something else", real=True, wants_text=True),
}


def code_of(reasons: Mapping[str, Reason], said: str) -> str:
    """The code that a person means, by itself or by its word in Chinese or English; what is none stays as it is."""
    return next((code for code, one in reasons.items() if said.strip() in {code, one.zh, one.en}), said)


def listed(reasons: Mapping[str, Reason], *, english: bool) -> str:
    """Codes with what they mean, for a refusal."""
    return ", ".join(f"{code} ({one.en if english else one.zh})" for code, one in reasons.items())
