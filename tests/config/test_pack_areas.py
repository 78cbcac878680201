"""Ground with a class of its own: what it needs, and each fault by file, key and value."""

from pathlib import Path

import pytest

from schemas.errors import ConfigError
from schemas.rules import ClassArea
from tests.config.small_pack import PackFolder

AREA = """
[[area]]
id = "a-1"
name = "收集点"
class = "06010"
camera_zones = [["cam-1", "left"]]
"""


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    return PackFolder(tmp_path)


def faults(folder: PackFolder) -> list[str]:
    with pytest.raises(ConfigError) as found:
        folder.load()
    return [f"{fault.file}: {fault.key} = {fault.value}: {fault.message}" for fault in found.value.faults]


def test_a_pack_without_areas_has_none(folder: PackFolder) -> None:
    assert folder.load().city.rules.areas == ()


def test_an_area_is_read_and_changes_the_version(folder: PackFolder) -> None:
    before = folder.load().city.version
    (folder.path / "areas.toml").write_text(AREA, encoding="utf-8")
    city = folder.load().city
    assert city.rules.areas == (ClassArea("a-1", "收集点", "06010", (), frozenset({("cam-1", "left")})),)
    assert city.version != before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('class = "06010"', 'class = "06017"', "areas.toml: area[a-1].class = 06017: is not in classes.csv"),
        ('"left"', '"lefty"', "areas.toml: area[a-1].camera_zones = lefty: is not a zone of cam-1"),
        ('"cam-1"', '"cam-x"', "areas.toml: area[a-1].camera_zones = cam-x: is not a camera of cameras.toml"),
        ('camera_zones = [["cam-1", "left"]]', "", "areas.toml: area[a-1] = : has no place"),
        (
            "camera_zones",
            "polygon = [[1, 1], [2, 2], [3, 3]]\ncamera_zones",
            "areas.toml: area[a-1].polygon = : has no",
        ),
    ],
)
def test_a_faulty_area_is_refused_by_file_key_and_value(folder: PackFolder, old: str, new: str, told: str) -> None:
    (folder.path / "areas.toml").write_text(AREA.replace(old, new), encoding="utf-8")
    (found,) = faults(folder)
    assert found.startswith(told)


def test_two_areas_of_one_id_are_refused(folder: PackFolder) -> None:
    (folder.path / "areas.toml").write_text(AREA + AREA, encoding="utf-8")
    assert any("is there twice" in fault for fault in faults(folder))
