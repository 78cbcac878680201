import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from curbwatch.tuning import report
from curbwatch.tuning.recording import encode
from schemas.errors import UsageError

STREET = np.full((360, 640, 3), 120, np.uint8)


class Words(HTMLParser):
    """Collects tags, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_table_without_rows_has_its_heads_and_a_dash() -> None:
    words = Words(report.table(("recording", "found"), []))
    assert "recordingfound" in words.text
    assert "–" in words.text


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    html = report.page(
        "Report", [report.thumbnail(encode(STREET), (300, 200, 40, 30)), report.table(("a",), [(1,)])], lang="zh"
    )
    assert '<html lang="zh-CN">' in html
    assert not re.findall(r"https?:|url\(|@import|href=", html)
    assert all(source.startswith("data:") for source in re.findall(r"src=\"([^\"]*)", html))
    assert not {"script", "link", "iframe"} & set(Words(html).tags)
    assert "prefers-color-scheme:dark" in html


def test_a_name_from_a_recording_is_text_and_nothing_else() -> None:
    wicked = "<script>alert(1)</script>"
    html = report.page(wicked, [report.paragraph(wicked), report.table((wicked,), [(wicked,)]), wicked])
    assert "script" not in Words(html).tags
    assert Words(html).text.count(wicked) == 6


def test_numbers_stand_to_the_right_and_what_is_missing_is_a_dash() -> None:
    html = report.table(("name", "hours"), [("a", 1.5), ("b", None)])
    assert html.count('class="n"') == 3
    assert '<td class="n">–</td>' in html


def test_a_thumbnail_shows_the_box_with_its_outline() -> None:
    shown = report.cut_out(STREET, (300.0, 200.0, 40.0, 30.0), 240)
    assert shown.shape == (180, 240, 3)
    red = (shown[..., 2].astype(int) - shown[..., 0] > 100).nonzero()
    assert 60 < red[1].min() < red[1].max() < 180


@pytest.mark.parametrize("box", [(0.0, 0.0, 640.0, 360.0), (-20.0, 350.0, 60.0, 40.0), (630.0, 0.0, 1.0, 0.0)])
def test_a_box_at_the_edge_of_the_picture_is_shown_all_the_same(box: tuple[float, float, float, float]) -> None:
    assert report.cut_out(STREET, box, 240).shape[1] == 240


@pytest.mark.parametrize("jpeg", [None, b"", b"\xff\xd8 no picture"])
def test_a_picture_that_cannot_be_shown_is_an_empty_frame(jpeg: bytes | None) -> None:
    assert "img" not in Words(report.thumbnail(jpeg, None)).tags


def test_an_embedded_picture_is_the_picture() -> None:
    html = report.picture(np.full((40, 60, 3), (200, 30, 40), np.uint8), 'a "blue" one')
    found = re.search(r'base64,([^"]+)"', html)
    assert found is not None
    back = cv2.imdecode(np.frombuffer(b64decode(found[1]), np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    assert np.abs(back.astype(int) - (200, 30, 40)).max() < 8


def test_a_bar_is_never_longer_than_its_room() -> None:
    assert "width:120px" in report.bar(7.0)
    assert "width:0px" in report.bar(-1.0)


def test_a_page_that_cannot_be_written_is_one_clean_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--report .*nowhere.*No such file"):
        report.write_page(tmp_path / "nowhere" / "r.html", "")
