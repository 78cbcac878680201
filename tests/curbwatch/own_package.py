"""A package of somebody else that brings a detector: its files and its entry points, as an installer leaves them."""

from pathlib import Path

import pytest


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, points: str, *files: Path) -> None:
    """Put ``files`` and a dist-info with these entry points (name = module:factory, one a line) into the path."""
    info = folder / "own_detectors-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-detectors\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[curbwatch.detectors]\n{points}\n", encoding="utf-8")
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.syspath_prepend(folder)
