"""What `bench queries` stands on: its city's blocks, its month, and pages given back."""

from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from curbwatch.bench.queries import forget_pages, month_of
from curbwatch.bench.queries_fill import DAILY, blocks_of


def test_no_file_no_blocks_and_no_pages(tmp_path: Path) -> None:
    assert blocks_of("") == {}
    assert forget_pages(tmp_path) == 0


def test_every_block_of_the_city_is_found() -> None:
    text = resources.files("curbwatch.bench").joinpath("queries_fill.sql").read_text("utf-8")
    blocks = blocks_of(text)
    assert len(blocks) == text.count("-- block ") == 13
    assert set(DAILY) < set(blocks)
    assert all(statement.lstrip().startswith("insert into ") for statement in blocks.values())


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2026, 5, 31), date(2026, 4, 1), date(2026, 4, 30)),
        (date(2026, 1, 1), date(2025, 12, 1), date(2025, 12, 31)),
        (date(2028, 3, 1), date(2028, 2, 1), date(2028, 2, 29)),
    ],
)
def test_the_month_before(today: date, first: date, last: date) -> None:
    assert month_of(today) == (first, last)


def test_pages_of_every_file_are_given_back(tmp_path: Path) -> None:
    for name in ("a", "b/c"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 10_000)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert forget_pages(tmp_path) == 2
