"""What ``bench grid`` compares: the same points, the same cells, and neighbours that share every corner."""

from alerts.deciding.grid import CellGrid
from curbwatch.bench.grid import bench_grid, streets


def test_both_sides_of_the_benchmark_answer_alike() -> None:
    found = bench_grid(5_000, 1, (30,))
    (city,) = found["cities"]
    assert (city["cells"], city["differing"], found["differing"]) == (36, 0, 0)
    assert 0 < city["nowhere"] < 2_000
    assert min(city["points_per_s"], city["strtree_points_per_s"], found["ratio"]) > 0


def test_every_inner_corner_of_the_city_is_shared_and_has_a_cell() -> None:
    cells = streets(16)
    inner = cells["512002000000005"][0]
    assert sum(inner in polygon for polygon in cells.values()) == 4
    assert CellGrid(cells).find_one(inner) in cells
