"""Codes of matters, parts and unit-grid cells (GB/T 47678.3 and .5, after GB/T 2260), and the two older lineages. Pure.

Structure and codes come from a public data file that carries the standard; they were not checked against its official
text. Matters (管理事项) and parts (管理部件) share numbers: 01001 is one of each, so the kind always goes with a code.
"""

# Two digits of a province in GB/T 2260; 71, 81 and 82 are Taiwan, Hong Kong and Macao.
PROVINCES = frozenset(
    f"{number}"
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 82))
    for number in range(first, last + 1)
)
LAST_PART_CLASS = 5  # classes 01..05 are of parts, 06..10 of matters
LAST_CLASS = 10
FIRST_LOCAL = 21  # and so are 98 and 99; 11..20 are not given
# CJ/T 214 lineage, class-sub, as two public applications have it: there is no rule, so what is not here is not known.
CJT214 = {
    "09001": "05-01",
    "09005": "05-04",
    "06007": "05-11",
    "06010": "01-02",
    "06011": "01-03",
    "06012": "01-04",
    "06014": "01-12",
    "06036": "05-07",
    "08005": "03-03",
}
FROM_CJT214 = {old: code for code, old in CJT214.items()}


def matter_code(division: str, class_code: str) -> str:
    """11 digits of a matter: division (6), class (2), sub (3). Raises ValueError for parts that are none."""
    return known_division(division) + known_matter(class_code)


def split_matter(code: str) -> tuple[str, str]:
    """Division and five-digit class code of an 11-digit matter code. Raises ValueError, saying what is wrong."""
    _digits(code, 11, "a matter code has 11 digits (6 division + 2 class + 3 sub)")
    return known_division(code[:6]), known_matter(code[6:])


def split_part(code: str) -> tuple[str, str, int]:
    """Division, five-digit type and serial of a 17-digit part code. Raises ValueError, saying what is wrong."""
    _digits(code, 17, "a part code has 17 digits (6 division + 2 class + 3 sub + 6 serial)")
    if code[11:] == "000000":
        raise ValueError(f"{code}: the serial of a part is 000001 to 999999")
    return known_division(code[:6]), _part_type(code[6:11]), int(code[11:])


def split_cell(code: str) -> tuple[str, int, int, int]:
    """Division, street, community and cell of a 15-digit code. Raises ValueError, saying what is wrong."""
    _digits(code, 15, "a cell code has 15 digits (6 division + 3 street + 3 community + 3 cell)")
    street, community, cell = (int(code[start : start + 3]) for start in (6, 9, 12))
    if not (street and community and cell):
        raise ValueError(f"{code}: street, community and cell count from 001")
    return known_division(code[:6]), street, community, cell


def to_2013(class_code: str) -> str | None:
    """``class-sub`` of the 2013 lineage: class less 5, sub in two digits; None where the rule does not reach.

    All pairs that were found agree with the rule, and the new list keeps the old one's gaps. It holds for classes
    06 to 10; parts' and local classes have no counterpart by rule.
    """
    major, sub = int(_class(class_code)[:2]), int(class_code[2:])
    return f"{major - LAST_PART_CLASS:02d}-{sub:02d}" if LAST_PART_CLASS < major <= LAST_CLASS and sub < 100 else None


def from_2013(legacy: str) -> str | None:
    """Class code of ``class-sub`` of the 2013 lineage; None where the rule does not reach. Raises ValueError."""
    major, sub = _legacy(legacy)
    return f"{major + LAST_PART_CLASS:02d}{sub:03d}" if 1 <= major <= LAST_PART_CLASS and sub else None


def to_cjt214(class_code: str) -> str | None:
    """``class-sub`` of the CJ/T 214 lineage; None where it is not known."""
    return CJT214.get(class_code)


def from_cjt214(legacy: str) -> str | None:
    """Class code of ``class-sub`` of the CJ/T 214 lineage; None where it is not known."""
    return FROM_CJT214.get(legacy)


def _digits(code: str, count: int, message: str) -> None:
    if not (len(code) == count and code.isascii() and code.isdigit()):
        raise ValueError(f"{code}: {message}")


def known_division(code: str) -> str:
    """Return six digits of an administrative division. Raises ValueError, saying what is wrong."""
    _digits(code, 6, "a division code (GB/T 2260) has six digits")
    if code[:2] not in PROVINCES:
        raise ValueError(f"{code}: no province has the code {code[:2]} (GB/T 2260)")
    return code


def known_matter(code: str) -> str:
    """Return the five digits of a matter, of the catalogue's classes or a local one. Raises ValueError."""
    major = int(_class(code)[:2])
    if major <= LAST_PART_CLASS:
        raise ValueError(f"{code}: class {major:02d} is of parts; matters are 06 to 10, or local (21 and above)")
    _given(code)
    return code


def _class(code: str) -> str:
    _digits(code, 5, "a class code has five digits (2 class + 3 sub)")
    if code[:2] == "00" or code[2:] == "000":
        raise ValueError(f"{code}: classes count from 01 and subs from 001")
    return code


def _part_type(code: str) -> str:
    major = int(_class(code)[:2])
    if LAST_PART_CLASS < major <= LAST_CLASS:
        raise ValueError(f"{code}: class {major:02d} is of matters; parts are 01 to 05, or local (21 and above)")
    _given(code)
    return code


def _given(code: str) -> None:
    if LAST_CLASS < int(code[:2]) < FIRST_LOCAL:
        raise ValueError(
            f"{code}: class {code[:2]} is not given; the catalogue has 01 to 10, local ones are 21 and above"
        )


def _legacy(code: str) -> tuple[int, int]:
    major, dash, sub = code.partition("-")
    if not (dash and all(len(part) == 2 and part.isascii() and part.isdigit() for part in (major, sub))):
        raise ValueError(f"{code}: an older code is two digits, a dash and two digits")
    return int(major), int(sub)
