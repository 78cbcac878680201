"""Which class of a pack a person or a neighbour means: its five digits, all eleven, or a code of an older lineage."""

import re

from schemas.city import CaseClass, City
from schemas.codes import from_2013, from_cjt214, split_matter, split_part
from schemas.errors import SaidError

OLDER = re.compile(r"(?:(2013|cjt214):)?([0-9]{2}-[0-9]{2})")


def class_named(said: str, city: City) -> CaseClass | None:
    """The class of a code, ``2013:04-06`` and ``cjt214:05-01`` in the older lineages; None where the pack has none.

    Of two classes with one older code the first counts, as ``check`` warns. Raises SaidError for an older code without
    its lineage, and for a full one that is none or is of another division.
    """
    older = OLDER.fullmatch(said)
    if older:
        return _of_older(older[1] or "", older[2], city)
    if len(said) == 11 and said.isascii() and said.isdigit():
        try:
            division, said = split_matter(said)
        except ValueError as error:
            raise SaidError(
                f"--class {error}", f"--class {said}:不是有效的 11 位事项代码(6 位区划 + 2 位大类 + 3 位小类)"
            ) from None
        _of_city("--class", division, city)
    return city.classes.get(said)


def part_named(said: str, city: City) -> str:
    """The 17 digits of a part (部件) of this city. Raises SaidError for a code that is none, or of another division."""
    try:
        division, _, _ = split_part(said)
    except ValueError as error:
        raise SaidError(
            f"--part {error}", f"--part {said}:不是有效的 17 位部件代码(6 位区划 + 2 位大类 + 3 位小类 + 6 位流水号)"
        ) from None
    _of_city("--part", division, city)
    return said


def _of_older(lineage: str, code: str, city: City) -> CaseClass | None:
    """The two lineages write different things alike: 01-02 is no code without saying whose."""
    if not lineage:
        raise SaidError(
            f"--class {code}: of which lineage? 2013:{code} or cjt214:{code}",
            f"--class {code}:请注明版本:2013:{code} 或 cjt214:{code}",
        )
    for case in city.classes.values():
        if code == (case.legacy_2013 if lineage == "2013" else case.legacy_cjt214):
            return case
    now = from_2013(code) if lineage == "2013" else from_cjt214(code)
    meant = f" ({now} by the rule)" if now else ""
    meant_zh = f"(按规则为 {now})" if now else ""
    raise SaidError(
        f"no class of pack {city.name} is {lineage}:{code}{meant}",
        f"城市包 {city.name}中没有 {lineage}:{code}{meant_zh}",
    )


def _of_city(option: str, division: str, city: City) -> None:
    if city.cells and division != city.division:
        raise SaidError(
            f"{option}: is of division {division}, and this city is {city.division}",
            f"{option}:区划代码 {division} 与本市 {city.division} 不符",
        )
