"""What may go into the record in somebody's own words."""

from schemas.errors import SaidError

TEXT_MAX = 2000  # characters


def refuse_text(text: str, option: str) -> None:
    """Raise UsageError, naming the option, for a text that is too long or changes a terminal; nothing is a text.

    What an argument has of bytes that are no UTF-8 is no character either.
    """
    if len(text) > TEXT_MAX:
        raise SaidError(
            f"{option}: at most {TEXT_MAX} printable characters, it has {len(text)}",
            f"{option}:最多 {TEXT_MAX} 个可见字符,现有 {len(text)} 个",
        )
    for place, mark in enumerate(text, start=1):
        if not mark.isprintable() and mark not in "\n\t":
            raise SaidError(
                f"{option}: at most {TEXT_MAX} printable characters, and character {place} is U+{ord(mark):04X}",
                f"{option}:只能用可见字符,最多 {TEXT_MAX} 个;第 {place} 个是 U+{ord(mark):04X}",
            )
