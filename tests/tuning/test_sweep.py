import json
from math import prod
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from config.model import Config
from curbwatch.cli.app import app
from curbwatch.cli.evaluate import items_of
from curbwatch.cli.sweep import sweep
from curbwatch.tuning import sweep_plot
from curbwatch.tuning.compare import bench_of
from curbwatch.tuning.sweep import Axis, Point, comments, describe, knobs, points, read_axes
from curbwatch.tuning.sweep_report import check_plot
from curbwatch.tuning.sweep_run import GRID_BYTES, Outcome, Size, run, size_of, trial, with_front
from schemas.errors import ConfigError, UsageError
from tests.detectors.street import Street
from tests.tuning.clips import EVENT, THING, described, recorded

BASE = Config()


def faults(*words: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read_axes(words)
    return str(refused.value)


def outcome(found: int, wrong: int, *, events: int = 10, hours: float = 1.0, **settings: object) -> Outcome:
    result = {
        "events": events,
        "found": found,
        "false_alarms": wrong,
        "unwanted_per_hour": wrong / hours if hours else None,
        "recall_95": None,
        "duplicates": 0,
        "delay_s": {"median": None},
    }
    return Outcome(Point(tuple(settings.items()), BASE), result)


def test_no_knob_is_refused() -> None:
    assert "names no knob" in faults()


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("vision.differs_grey=12..28:4", (12, 16, 20, 24, 28)),
        ("vision.differs_grey=12..13:4", (12,)),
        ("alerts.stall_confidence=0.3,0.5,0.7", (0.3, 0.5, 0.7)),
        ("alerts.stall_confidence=0.1..0.4:0.1", (0.1, 0.2, 0.3, 0.4)),
        ("vision.ncc_light=-0.5..0.5:0.5", (-0.5, 0.0, 0.5)),
        ("vision.dwell_s=20,20,90", (20, 90)),
    ],
)
def test_values_are_those_that_were_written(word: str, values: tuple[float, ...]) -> None:
    (axis,) = read_axes([word])
    assert axis.values == values


def test_every_fault_is_told_at_once_with_its_key_and_value() -> None:
    told = faults(
        "vision.differs_grey=12,200",
        "vision.differ_grey=1,2",
        "alerts.stall_confidence=0.5..1.5:0.5",
        "http.port=1,2",
        "vision.gone_s=5..1:1",
        "vision.dwell_s=5..60",
        "vision.match_grey",
        "vision.vote_s=",
        "vision.join_m=a..b:c",
    )
    assert told.splitlines() == [
        "--set: vision.differs_grey = 200: should be less than or equal to 127",
        "--set: vision.differ_grey: unknown knob; did you mean 'vision.differs_grey'?",
        "--set: alerts.stall_confidence = 1.5: should be less than or equal to 1",
        f"--set: http.port: changes nothing in a replay: {told.split('replay: ')[1].splitlines()[0]}",
        "--set: vision.gone_s = 5..1:1: should be low..high:step with a step above 0 and high not below low",
        "--set: vision.dwell_s = 5..60: has no step: low..high:step",
        "--set: vision.match_grey: should be knob=values: vision.differs_grey=12..28:4, or =12,20,28",
        "--set: vision.vote_s: has no values",
        "--set: vision.join_m = a..b:c: should be three numbers: low..high:step",
    ]


def test_a_knob_given_twice_or_with_a_million_values_is_refused() -> None:
    told = faults("vision.dwell_s=20", "vision.dwell_s=30", "vision.gone_s=0..1:1e-9")
    assert "vision.dwell_s: is given twice" in told
    assert "1000000001 values; 1000 at most" in told


def test_each_knob_has_words_and_the_unit_of_its_name_or_of_its_comment() -> None:
    assert describe("vision", "differs_grey")[0] == "grey levels"
    assert describe("vision", "dwell_s")[0] == "captured s"
    assert describe("vision", "area_min_m2")[0] == "m²"
    assert describe("alerts", "merge_m")[0] == "m"
    unit, words = describe("alerts", "stall_confidence")
    assert (unit, words.startswith("0..1: least probability of ")) == ("0..1", True)
    assert describe("vision", "no_such") == ("", "")
    assert {f"{section}.{name}" for section, name in comments()} >= set(knobs())


def test_a_knob_without_words_is_no_fault() -> None:
    assert comments("[a]\nb = 1\nc = 2  # s: long\n") == {("a", "c"): "s: long"}


def test_points_are_the_base_and_every_combination_but_the_base_again() -> None:
    axes = read_axes(["vision.differs_grey=16,20", "alerts.stall_confidence=0.6,0.7"])
    found = points(BASE, axes)
    assert [point.label for point in found] == [
        "base",
        "vision.differs_grey = 16, alerts.stall_confidence = 0.6",
        "vision.differs_grey = 16, alerts.stall_confidence = 0.7",
        "vision.differs_grey = 20, alerts.stall_confidence = 0.7",
    ]
    assert [point.config.vision.differs_grey for point in found] == [20, 16, 16, 20]


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), count=st.integers(1, 40), seed=st.integers(0, 5))
def test_a_draw_is_the_same_for_the_same_seed_and_draws_none_twice(sizes: list[int], count: int, seed: int) -> None:
    names = ("match_grey", "differs_grey", "differs_chroma", "area_min_px")
    axes = [Axis("vision", name, tuple(range(60, 60 + size))) for name, size in zip(names, sizes, strict=False)]
    drawn = points(BASE, axes, count, seed)
    assert drawn == points(BASE, axes, count, seed)
    assert len({point.settings for point in drawn}) == len(drawn) == 1 + min(count, prod(sizes))


def test_too_many_combinations_are_refused_and_may_be_drawn_from() -> None:
    axes = read_axes(["vision.match_grey=1..100:1", "vision.differs_grey=1..100:1"])
    with pytest.raises(ConfigError, match="10000 combinations: are more than 5000: draw"):
        points(BASE, axes)
    assert len(points(BASE, axes, 7)) == 8


def test_a_combination_that_no_configuration_may_have_is_refused() -> None:
    axis = Axis("alerts", "before_ring_bytes", (10_000_000_000,))
    with pytest.raises(ConfigError, match=r"--set alerts\.before_ring_bytes = 10000000000: .*raise the limit"):
        points(BASE, [axis])


def test_nothing_is_on_the_front_of_nothing() -> None:
    assert with_front([]) == ()
    assert [one.front for one in with_front([outcome(0, 0, events=0, hours=0)])] == [False]


def test_the_front_has_those_that_no_other_beats() -> None:
    marked = with_front([outcome(5, 0), outcome(9, 2), outcome(8, 2), outcome(9, 3), outcome(9, 2), outcome(4, 1)])
    assert [one.front for one in marked] == [True, True, False, False, True, False]


def test_without_events_the_fewest_false_alarms_are_the_front() -> None:
    marked = with_front([outcome(0, 3, events=0), outcome(0, 1, events=0)])
    assert [one.front for one in marked] == [False, True]


@settings(deadline=None)
@given(
    results=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10**6)), max_size=30),
    events=st.sampled_from([0, 10]),
)
def test_a_plot_has_every_result_within_its_frame(results: list[tuple[int, int]], events: int) -> None:
    outcomes = with_front([outcome(found if events else 0, wrong, events=events) for found, wrong in results])
    drawn = sweep_plot.plot(outcomes)
    assert drawn.startswith("<svg xmlns=")
    assert drawn.endswith("</svg>")
    assert "nan" not in drawn
    places = {(found if events else 0, wrong) for found, wrong in results}
    assert 0 <= drawn.count("<title>") <= len(places)
    assert bool(drawn.count("<title>")) == bool(results)


def test_a_dot_names_its_configurations_and_leads_to_its_row() -> None:
    outcomes = [outcome(5, 1), *(outcome(5, 1, **{"vision.dwell_s": k}) for k in range(20))]
    drawn = sweep_plot.plot(with_front(outcomes), link="p")
    assert '<a href="#p0">' in drawn
    assert "5/10, 1 (1/h)\n#0 base\n#1 vision.dwell_s = 0\n" in drawn
    assert "and 9 more" in drawn
    assert sweep_plot.plot(outcomes, "zh").count("另有 9 个") == 1


def test_a_sweep_gives_each_configuration_its_own_result(tmp_path: Path) -> None:
    recording = recorded(tmp_path / "clip", Street((THING,)), 45, events=[EVENT])
    bench = bench_of(BASE, None)
    tried = points(BASE, read_axes(["vision.dwell_s=30,95", "alerts.waste_confidence=1.0"]))
    told: list[tuple[str, int]] = []
    items = list(items_of([recording.folder], [], None, []))
    outcomes = run(tried, items, bench, lambda name, looks: told.append((name, looks)))
    assert told == [("clip", 1)] * 45 * len(tried)
    assert [one.found["frames"]["frames"] for one in outcomes] == [45, 45, 45]
    assert size_of(items, tried) == Size(3, 3, 1, 45, 45 * GRID_BYTES)
    took_s = trial(items, bench)
    assert took_s is not None
    assert min(took_s) >= 0


def test_processes_of_their_own_change_no_result(tmp_path: Path) -> None:
    for name in ("a", "b"):
        recorded(tmp_path / name, Street((THING,)), 30, events=[EVENT])
    (tmp_path / "b" / "recording.json").unlink()
    described(tmp_path / "b", "clip.avi")
    items = list(items_of([tmp_path], [], None, []))
    tried = points(BASE, read_axes(["vision.dwell_s=30"]))
    faults: list[list[dict[str, str]]] = [[], []]
    looks: list[int] = []
    alone = run(tried, items, bench_of(BASE, None), faults=faults[0])
    apart = run(tried, items, bench_of(BASE, None), lambda _, more: looks.append(more), faults[1], jobs=2)
    assert (alone, faults[0]) == (apart, faults[1])
    assert [len(one.found["recordings"]) for one in alone] == [1, 1]
    assert looks[0] == 60


def test_nothing_takes_no_time_and_no_room(tmp_path: Path) -> None:
    bench = bench_of(BASE, None)
    items = list(items_of([recorded(tmp_path / "none", Street(), 0).folder], [], None, []))
    assert (size_of([], []), trial([], bench), trial(items, bench)) == (Size(0, 0, 0, 0, 0), None, None)
    for given_ in ([], items):
        (one,) = run(points(BASE, ())[:1], given_, bench)
        assert (one.recall, one.unwanted_per_hour) == (None, None)


def test_the_verb_writes_page_and_numbers(tmp_path: Path) -> None:
    assert sweep.__doc__
    recorded(tmp_path / "clip", Street((THING,)), 45, events=[EVENT])
    plot, out = tmp_path / "a.html", tmp_path / "a.json"
    words = ["sweep", str(tmp_path), "--set", "vision.differs_grey=12,20,40", "--dwell", "30", "--lang", "en"]
    done = CliRunner().invoke(app, [*words, "--plot", str(plot), "--json", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert [point["settings"] for point in found["points"]] == [
        {},
        {"vision.differs_grey": 12},
        {"vision.differs_grey": 40},
    ]
    assert found["size"] == {
        "points": 3,
        "replays": 3,
        "recordings": 1,
        "frames": 45,
        "cache_bytes": 45 * GRID_BYTES,
        "looks": 135,
    }
    assert found["knobs"][0]["unit"] == "grey levels"
    page = plot.read_text(encoding="utf-8")
    assert '<a id="p2">' in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "looks" in done.output


@pytest.mark.parametrize(("name", "said"), [("a.png", "should end in .html or .svg"), ("no/a.svg", "no folder")])
def test_a_plot_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_plot(tmp_path / name)
    check_plot(None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "vision.dwell_s=9", "--dwell", "9"], "both say the dwell"),
        (["--set", "vision.dwell_s=9"], "no recording.json"),
        (["--set", "vision.dwell=9"], "unknown knob"),
        (["--set", "vision.dwell_s=9", "--plot", "x.gif"], "should end in"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["sweep", str(tmp_path), *words])
    assert isinstance(done.exception, UsageError | ConfigError)
    assert said in str(done.exception)
