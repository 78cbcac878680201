"""Real streets pass the gate: pictures encoded from the shared recordings, at the sizes their cameras have."""

from itertools import islice
from pathlib import Path

import pytest

from curbwatch.tuning.recording import find_recordings
from ingest.decode import decode_grid, grid_shape
from ingest.jpeg import inspect

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.data
def test_pictures_of_real_streets_pass_the_gate_and_become_grids() -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not here: real recordings are needed for this test")
    seen = 0
    for recording in find_recordings(DATA):
        for payload in islice(recording.jpegs(), 2):
            header = inspect(payload, max_bytes=2_000_000, max_pixels=8_300_000)
            grid = decode_grid(payload, header.width, header.height)
            assert grid.shape == (*grid_shape(header.width, header.height), 3)
            assert grid.std() > 5, "a street is not of one colour"
            seen += 1
    assert seen > 10
