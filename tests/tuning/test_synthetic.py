import json
import os
from collections import Counter
from pathlib import Path

import pytest

from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import EVENTS
from curbwatch.simulate.truth import bbox_of
from curbwatch.tuning import synthetic
from curbwatch.tuning.suites import NAMES, data_folder, items
from schemas.errors import UsageError


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "SECONDS", 8.0)


def test_no_street_is_in_two_sets_and_the_sealed_one_is_long_enough() -> None:
    seeds = Counter(street.seed for streets in synthetic.SETS.values() for street in streets)
    assert max(seeds.values()) == 1
    sealed = synthetic.SETS["synthetic"]
    assert len(sealed) * synthetic.SECONDS >= 20 * 3600
    assert len({street.condition for street in sealed}) >= 10


def test_a_script_puts_down_targets_of_both_kinds_distractors_and_something_that_was_there_before() -> None:
    plan = synthetic.SETS["synthetic-tune"][0].plan
    scene = Camera(plan, ()).scene
    placed = synthetic.script(plan, scene.depth_dm)
    for one in placed:
        x, y, w, h = bbox_of(plan, one)
        hidden = scene.depth_dm[y : y + h, x : x + w] < one.z_m * 10 - 2
        assert hidden.mean() <= 1 - synthetic.SEEN
    kinds = Counter(one.kind for one in placed if one.appear_s > 0)
    assert kinds["stall"] >= 1
    assert kinds["waste"] >= 3
    assert kinds.keys() - set(EVENTS)
    assert [one.leave_s < synthetic.SECONDS for one in placed if one.appear_s < 0] == [True]


@pytest.mark.usefixtures("short")
def test_a_street_is_drawn_once_and_carries_its_truth(tmp_path: Path) -> None:
    street = synthetic.Street(30_007, "night")
    drawn: list[int] = []
    with synthetic.kept(street, lambda: drawn.append(1), tmp_path) as first:
        frames = list(first.jpegs())
    with synthetic.kept(street, lambda: drawn.append(1), tmp_path) as again:
        assert list(again.jpegs()) == frames
    assert len(drawn) == len(frames) == 2
    assert (again.condition, again.own_time, again.apart_s) == ("night", True, 4.0)
    assert again.zones


@pytest.mark.usefixtures("short")
def test_on_a_full_disk_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "FREE_BYTES", 1 << 62)
    with synthetic.kept(synthetic.Street(30_000, "day"), place=tmp_path) as made:
        assert made.count() == 2
    assert list(tmp_path.iterdir()) == []


def kept_clip(place: Path, version: str, name: str, size: int, used_s: int) -> Path:
    folder = place / version / name
    folder.mkdir(parents=True)
    (folder / "recording.json").write_text(json.dumps({"bytes": size}))
    os.utime(folder, (used_s, used_s))
    return folder


def test_of_kept_clips_those_of_older_drawings_go_first_then_the_longest_unused(tmp_path: Path) -> None:
    now = f"v{synthetic.VERSION}"
    old = kept_clip(tmp_path, "v0", "a", 100, 900)
    unused = kept_clip(tmp_path, now, "b", 100, 100)
    spared = kept_clip(tmp_path, now, "c", 100, 50)
    recent = kept_clip(tmp_path, now, "d", 100, 800)
    synthetic.trim(tmp_path, 300)
    assert [folder.exists() for folder in (old, unused, spared, recent)] == [False, True, True, True]
    synthetic.trim(tmp_path, 250, spare=spared)
    assert [folder.exists() for folder in (unused, spared, recent)] == [False, True, True]


def test_an_empty_place_has_nothing_to_trim(tmp_path: Path) -> None:
    synthetic.trim(tmp_path, 0)


def test_an_unknown_suite_or_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are synthetic"):
        items("moon", None)
    with pytest.raises(UsageError, match="--data"):
        items("composite", data_folder([tmp_path]))
    assert {"synthetic", "composite"} <= set(NAMES)
