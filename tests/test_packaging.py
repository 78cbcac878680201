"""What a wheel of this repository holds: the six packages, all of them, and the data beside them."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {"schemas", "config", "ingest", "detectors", "alerts", "curbwatch"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DATA = (".toml", ".csv", ".geojson", ".sql", ".json", ".npz", ".conf", ".typed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in a wheel built offline from a copy of the tracked folders."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", *ROOMS):
        # A link would be followed by the build and leave its traces in the working tree.
        _copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q"]
    done = subprocess.run([*command, "-w", str(folder), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        for item in source.iterdir():
            if item.name != "__pycache__":
                _copy(item, target / item.name)
    else:
        target.write_bytes(source.read_bytes())


def test_the_package_list_is_the_folders_that_are_packages() -> None:
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")
    }
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert set(listed) == folders
    assert len(listed) == len(set(listed))


def test_every_folder_with_modules_is_a_package() -> None:
    for path in (path for room in [*ROOMS, "tests"] for path in (ROOT / room).rglob("*.py")):
        assert (path.parent / "__init__.py").is_file(), path.parent


def test_the_wheel_brings_the_six_names_and_nothing_else(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == ROOMS


def test_the_wheel_holds_every_module_and_data_file(wheel: list[str]) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in {".py", *DATA} and "__pycache__" not in path.parts
    }
    assert wanted - set(wheel) == set()


def test_each_room_says_that_it_is_typed() -> None:
    assert [room for room in ROOMS if not (ROOT / room / "py.typed").is_file()] == []


def test_no_installed_library_brings_one_of_our_names() -> None:
    brought = importlib.metadata.packages_distributions()
    assert {room: set(brought.get(room, ())) - {"curbwatch"} for room in ROOMS} == {room: set() for room in ROOMS}


def test_every_dependency_is_pinned_without_an_address() -> None:
    pins = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()]
    pinned = {re.split(r"\s*==", pin)[0].lower().replace("_", "-") for pin in pins if pin}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+\s*==\s*[^\s;]+(\s*;.*)?", pin) for pin in pins if pin)
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    names = {re.split(r"[\[<>=!;\s]", name)[0].lower().replace("_", "-") for name in wanted}
    assert names - pinned == set()
