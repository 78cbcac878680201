"""Pieces of a self-contained HTML report: page, heading, table, picture, thumbnail, bars. Nothing is fetched.

Each piece returns ``Html``; any other text put into a piece is escaped: a name from a recording changes nothing.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alerts.messages import Lang
from ingest.decode import decode_full
from schemas.errors import FrameError, UsageError
from schemas.incident import Box

NONE = "–"
QUALITY = 80  # JPEG quality of embedded pictures
THUMBNAIL_PX = 232  # width of a thumbnail; 4 : 3
AROUND = 3.0  # a thumbnail shows this many times the box
LEAST_PX = 120  # native px that a thumbnail shows at least: less says nothing of the place
OUTLINE_BGR, EDGE_BGR = (60, 70, 245), (20, 20, 20)
COLOURED = re.compile(r"<span[^<>]*>([^<>]*)</span>")

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d7dce2;--ground:#fff;--band:#f4f6f8;--good:#1a7f4b;
--bad:#c0392b;--mark:#2f6fb5;--warn:#9a6700}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7eb;--soft:#9aa4b0;--line:#39414b;--ground:#15181c;--band:#1e2329;
--good:#57c58a;--bad:#f0806f;--mark:#7db3ea;--warn:#e3b341}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:82rem;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei","PingFang SC",sans-serif}
h1{font-size:1.5rem;margin:0 0 .5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.5rem 0 .4rem}
p{margin:.4rem 0;max-width:60rem}.soft,caption{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0 1rem}caption{text-align:left;padding-bottom:.3rem}
td:first-child{white-space:nowrap}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;border-bottom:2px solid var(--line)}tbody tr:nth-child(even){background:var(--band)}
code{font-size:.85rem;overflow-wrap:anywhere}
th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.mark{color:var(--mark)}.warn{color:var(--warn)}
img{display:block;max-width:100%;height:auto;border-radius:3px}td img{max-width:none}
figure{margin:0;display:inline-block;vertical-align:top}figcaption{color:var(--soft);font-size:.85rem}
.row{display:flex;flex-wrap:wrap;gap:.6rem}.none{width:232px;height:174px;background:var(--band);color:var(--soft);
display:flex;align-items:center;justify-content:center;border-radius:3px}
.bar{display:inline-block;height:.7em;background:var(--mark);vertical-align:baseline;margin-right:.4em}
details{margin:.5rem 0}summary{cursor:pointer;font-weight:600}
"""


class Html(str):
    """A piece of a page; every other text is escaped when it is put into one."""

    __slots__ = ()


def page(title: str, body: Iterable[object], *, lang: Lang = "en") -> str:
    """A whole page: ``title`` as its first heading, then ``body``, light or dark as the reader's system is."""
    inside = "\n".join(_html(part) for part in body)
    tongue = "zh-CN" if lang == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{tongue}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        # Whatever a name may hold, nothing is loaded or run.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{inside}\n</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> Html:
    """A heading of level 2 or 3."""
    return Html(f"<h{level}>{escape(text)}</h{level}>")


def paragraph(text: object, kind: str = "") -> Html:
    """A paragraph; ``kind``: ``soft``, ``good``, ``bad``, ``mark`` or plain."""
    return Html(f"<p{_class(kind)}>{_html(text)}</p>")


def span(text: object, kind: str) -> Html:
    """Words within a line; ``kind`` as of ``paragraph``."""
    return Html(f"<span{_class(kind)}>{_html(text)}</span>")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> Html:
    """A table; columns of numbers stand to the right, None is a dash. No rows: the heads and one dash."""
    body = [tuple(cells) for cells in rows]
    right = [bool(body) and all(_is_number(cells[k]) for cells in body if k < len(cells)) for k in range(len(heads))]
    lines = ["<tr>" + "".join(_cell("th", head, right[k]) for k, head in enumerate(heads)) + "</tr>"]
    filled = body or [(NONE,) + ("",) * (len(heads) - 1)]
    drawn = ("".join(_cell("td", cell, right[k]) for k, cell in enumerate(cells)) for cells in filled)
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    rest = "\n".join(f"<tr>{cells}</tr>" for cells in drawn)
    return Html(f'<div class="wide"><table>{named}<thead>{lines[0]}</thead>\n<tbody>{rest}</tbody></table></div>')


def row(parts: Iterable[object]) -> Html:
    """Pieces side by side, wrapped where the page is narrow."""
    return Html(f'<div class="row">{"".join(_html(part) for part in parts)}</div>')


def figure(inside: Html, caption: str) -> Html:
    """A picture with words below it."""
    return Html(f"<figure>{inside}<figcaption>{escape(caption)}</figcaption></figure>")


def foldout(summary: str, parts: Iterable[object], *, unfolded: bool = False) -> Html:
    """Pieces that a click shows."""
    state = " open" if unfolded else ""
    inside = "\n".join(_html(part) for part in parts)
    return Html(f"<details{state}><summary>{escape(summary)}</summary>\n{inside}\n</details>")


def bar(share: float, text: str = "", *, width_px: int = 120) -> Html:
    """A bar of ``share`` (cut to 0..1) of ``width_px``, with words after it."""
    length = round(width_px * min(1.0, max(0.0, share)))
    return Html(f'<span class="bar" style="width:{length}px"></span>{escape(text)}')


def picture(pixels: NDArray[np.uint8], alt: str = "") -> Html:
    """(H, W, 3) or (H, W) uint8 pixels, BGR, as an embedded JPEG at their own size."""
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    high, wide = pixels.shape[:2]
    data = b64encode(encoded).decode("ascii")
    return Html(f'<img src="data:image/jpeg;base64,{data}" width="{wide}" height="{high}" alt="{escape(alt)}">')


def thumbnail(jpeg: bytes | None, box: Box | None, *, width_px: int = THUMBNAIL_PX, alt: str = "") -> Html:
    """The place around ``box`` (x, y, w, h native px) of a picture with its outline; no box: the whole picture.

    A picture that is missing or cannot be decoded is an empty frame.
    """
    try:
        whole = None if jpeg is None else decode_full(jpeg)
    except FrameError:
        whole = None
    if whole is None:
        return Html(f'<div class="none">{NONE}</div>')
    return picture(cut_out(whole, box, width_px), alt)


def cut_out(whole: NDArray[np.uint8], box: Box | None, width_px: int = THUMBNAIL_PX) -> NDArray[np.uint8]:
    """The (H, W, 3) BGR pixels that ``thumbnail`` shows, ``width_px`` wide."""
    rows, columns = whole.shape[:2]
    left, top, wide, high = (0, 0, columns, rows) if box is None else _around(box, columns, rows)
    share = width_px / wide
    part = whole[top : top + high, left : left + wide]
    small = cv2.resize(
        part,
        (width_px, max(1, round(high * share))),
        interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC,
    )
    shown = np.ascontiguousarray(small, np.uint8)
    if box is not None:
        x, y, w, h = box
        ends = [round(side * share) for side in (x - left, y - top, x + w - left, y + h - top)]
        for colour, thick in ((EDGE_BGR, 3), (OUTLINE_BGR, 1)):
            cv2.rectangle(shown, (ends[0], ends[1]), (ends[2], ends[3]), colour, thick)
    return shown


def write_page(path: Path, html: str, flag: str = "--report") -> None:
    """Write a page. Raises UsageError, naming ``flag``, where the file cannot be written."""
    try:
        path.write_text(html, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _around(box: Box, columns: int, rows: int) -> tuple[int, int, int, int]:
    """Left, top, width, height of a 4 : 3 part around a box, within the picture where it is large enough."""
    x, y, w, h = box
    wide = min(columns, round(max(w * AROUND, h * AROUND * 4 / 3, LEAST_PX)))
    high = min(rows, round(wide * 3 / 4))
    left = min(max(0, round(x + w / 2 - wide / 2)), columns - wide)
    top = min(max(0, round(y + h / 2 - high / 2)), rows - high)
    return left, top, wide, high


def _html(part: object) -> str:
    if isinstance(part, Html):
        return part
    return NONE if part is None else escape(str(part))


def _cell(tag: str, part: object, right: bool) -> str:
    return f"<{tag}{_class('n' if right else '')}>{_html(part)}</{tag}>"


def _class(kind: str) -> str:
    return f' class="{escape(kind)}"' if kind else ""


def _is_number(part: object) -> bool:
    """Whether a cell stands to the right: a number, a dash, or words, coloured or not, that begin like a number."""
    if part is None or isinstance(part, int | float):
        return True
    text = COLOURED.sub(r"\1", part) if isinstance(part, Html) else str(part)
    return text in {NONE, ""} or text[0].isdigit() or (text[0] in "+-" and text[1:2].isdigit())
