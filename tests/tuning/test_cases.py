"""What people judged is kept with its frames, once, privately; and a run says which of it a configuration loses."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from config.model import Config
from config.pack import load_pack
from config.vision import VisionKnobs
from curbwatch.cli import cases as verb
from curbwatch.cli.app import app
from curbwatch.tuning import cases_keep, cases_run
from curbwatch.tuning.cases import Case, Judgement, case_id_of, check, judge, list_cases, read_case
from curbwatch.tuning.cases_keep import AFTER_FRAMES, BEFORE_FRAMES, Source, keep, of_recording, span
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.recording import Recording, read_recording
from curbwatch.tuning.replay import Alert
from schemas.errors import UsageError
from tests.detectors.street import Street
from tests.tuning.clips import THING, jpeg, recorded

BOX = (240.0, 160.0, 96.0, 80.0)
NOW = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
LI = Judgement(NOW, "Li", "false", "vehicle", "parked every morning")


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(Config(vision=VisionKnobs(dwell_s=40.0)), load_pack(Path("yanjiang")).city)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(tmp_path_factory.mktemp("clips") / "seq-thing", Street((THING,)), 45)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What each replay opens from here on: the detector's class of a made-up thing is no part of these tests."""

    def say(*alerts: Alert) -> None:
        for module in (cases_keep, cases_run):
            monkeypatch.setattr(module, "alerts_of", lambda *_: alerts)

    return say


def time_of(recording: Recording, frame: int) -> int:
    return next(ns for k, (ns, _) in enumerate(recording.frames()) if k == frame)


def case_at(recording: Recording, frame: int, family: str = "waste") -> Case:
    opened_ns = time_of(recording, frame)
    case_id = case_id_of(recording.name, opened_ns, BOX)
    came_ns = opened_ns - 40 * 10**9
    return Case(case_id, recording.name, family, BOX, opened_ns, came_ns, 40.0, str(recording.folder))


def alert_of(case: Case, family: str = "waste", later_s: float = 0.0) -> Alert:
    return Alert(family, case.box_px, case.opened_ns + round(later_s * 1e9), case.appeared_ns, 0.9)


def kept(folder: Path, recording: Recording, bench: Bench, word: Judgement = LI, family: str = "waste") -> Case:
    case = case_at(recording, 32, family)
    return keep(folder, case, of_recording(recording, None), bench, word, lambda: None)


def test_an_empty_folder_has_no_cases_and_its_run_loses_none(bench: Bench, tmp_path: Path) -> None:
    assert list_cases(tmp_path / "nowhere") == []
    assert cases_run.run_cases(tmp_path, [], bench, NOW) == []
    assert not (tmp_path / cases_run.LEDGER).exists()


def test_a_case_is_a_recording_that_says_who_judged_what(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench)
    recording = read_recording(tmp_path / case.case_id)
    assert recording.times_ns == tuple(ns for ns, _ in clip.frames())
    assert list(recording.jpegs()) == list(clip.jpegs())
    assert [(one.label, one.box) for one in recording.distractors] == [("vehicle", (240, 160, 96, 80))]
    assert recording.events == ()
    assert read_case(tmp_path / case.case_id) == case
    assert (case.judgements, case.shows) == ((LI,), True)


def test_only_the_owner_can_look_into_a_case(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    folder = tmp_path / "cases"
    reported(alert_of(case_at(clip, 32)))
    kept(folder, clip, bench)
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_real_one_is_an_event_from_its_coming_on(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))
    (event,) = read_recording(tmp_path / case.case_id).events
    assert (event.kind, event.first_frame, event.last_frame) == ("waste", 22, 44)


def test_another_word_keeps_both_and_the_newest_holds(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench)
    later = Judgement(NOW + timedelta(days=1), "Wang", "real", "stall")
    judge(tmp_path, case, later)
    found = read_case(tmp_path / case.case_id)
    assert found.judgements == (LI, later)
    assert found.key == "real stall"
    recording = read_recording(tmp_path / case.case_id)
    assert [event.kind for event in recording.events] == ["stall"]
    assert recording.distractors == ()


def test_the_same_word_again_changes_nothing(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench)
    again = Judgement(NOW + timedelta(hours=2), LI.person, LI.verdict, LI.what, LI.note)
    assert judge(tmp_path, case, again) == case
    assert read_case(tmp_path / case.case_id) == case


@given(
    st.integers(1, 400),
    st.sampled_from([0.04, 1.0, 4.0, 72.0, 600.0]),
    st.data(),
)
def test_a_span_holds_what_the_detector_needs_at_any_cadence(frames: int, apart_s: float, data: st.DataObject) -> None:
    times = tuple(10**18 + round(k * apart_s * 1e9) for k in range(frames))
    opened = data.draw(st.integers(0, frames - 1))
    came = data.draw(st.integers(0, opened))
    case = Case("c", "cam", "waste", BOX, times[opened], times[came], 90.0, "here")
    first_ns, last_ns = span(times, case, 600.0)
    inside = [k for k, time_ns in enumerate(times) if first_ns <= time_ns <= last_ns]
    assert came in inside
    assert opened in inside
    assert came - inside[0] >= min(came, BEFORE_FRAMES)
    assert inside[-1] - opened >= min(frames - 1 - opened, AFTER_FRAMES)
    assert first_ns >= times[0]
    assert last_ns >= times[came] + (90 + 120) * 10**9  # a missed thing has its whole dwell, and some more


def test_a_span_of_a_source_without_frames_is_refused() -> None:
    with pytest.raises(UsageError, match="has no frames"):
        span((), Case("c", "cam", "waste", BOX, 0, 0, 90.0, "here"), 600.0)


def test_frames_that_no_analysis_would_take_are_left_out(
    bench: Bench, tmp_path: Path, reported: Callable[..., None]
) -> None:
    street = jpeg(Street(), 0)
    times = tuple(10**18 + k * 40_000_000 for k in range(250))
    source = Source("here", times, lambda: ((time_ns, street) for time_ns in times), (640, 384))
    case = Case("c", "cam", "", BOX, times[200], times[100], 4.0, "here")
    reported()
    keep(tmp_path, case, source, bench, Judgement(NOW, "Li", "real", "waste"), lambda: None)
    kept_ns = read_recording(tmp_path / "c").times_ns
    assert len(kept_ns) == 20
    assert min(b - a for a, b in pairwise(kept_ns)) >= 500_000_000


def test_more_is_kept_where_ten_minutes_do_not_show_it_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = tuple(10**18 + k * 60 * 10**9 for k in range(120))
    street = jpeg(Street(), 0)
    source = Source("here", times, lambda: ((time_ns, street) for time_ns in times), (640, 384))
    case = Case("c", "cam", "waste", BOX, times[100], times[98], 40.0, "here")
    tried: list[int] = []

    def only_with_an_hour(recording: Recording, *_: object) -> tuple[Alert, ...]:
        tried.append(len(recording.times_ns))
        return (alert_of(case),) if len(recording.times_ns) > 60 else ()

    monkeypatch.setattr(cases_keep, "alerts_of", only_with_an_hour)
    assert keep(tmp_path, case, source, bench, LI, lambda: None).shows
    assert len(tried) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_case_that_nothing_shows_again_is_kept_whole_and_says_so(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported()
    assert kept(tmp_path, clip, bench).shows is False


def test_what_once_passed_is_lost_until_it_passes_again(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    alert = alert_of(case_at(clip, 32))
    reported(alert)
    case = kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))

    def change() -> str:
        (outcome,) = cases_run.run_cases(tmp_path, [case.case_id], bench, NOW)
        return outcome.change

    reported()
    assert change() == ""  # never passed: nothing to lose
    reported(alert)
    assert change() == "gained"
    assert change() == ""
    reported()
    assert [change(), change()] == ["lost", "lost"]
    reported(alert)
    assert change() == ""
    runs = cases_run.read_ledger(tmp_path).runs
    assert [len(run["lost"]) for run in runs] == [0, 0, 0, 1, 1, 0]


def test_a_changed_verdict_begins_anew(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))
    assert cases_run.run_cases(tmp_path, [case.case_id], bench, NOW)[0].passed
    judge(tmp_path, case, LI)
    (outcome,) = cases_run.run_cases(tmp_path, [case.case_id], bench, NOW)
    assert (outcome.passed, outcome.change) == (False, "")


@pytest.mark.parametrize(
    ("verdict", "what", "got", "passed"),
    [
        ("real", "", ["waste"], True),
        ("real", "", ["stall"], False),
        ("real", "stall", ["stall"], True),
        ("real", "", [], False),
        ("false", "", [], True),
        ("false", "vehicle", ["waste"], False),
    ],
)
def test_a_real_one_must_be_reported_as_what_it_is_and_a_false_one_not_at_all(  # noqa: PLR0917
    bench: Bench,
    clip: Recording,
    tmp_path: Path,
    reported: Callable[..., None],
    verdict: str,
    what: str,
    got: list[str],
    passed: bool,
) -> None:
    reported(alert_of(case_at(clip, 32)))
    word = Judgement(NOW, "Li", "real" if verdict == "real" else "false", what)
    case = kept(tmp_path, clip, bench, word)
    elsewhere = Alert("waste", (0.0, 0.0, 20.0, 20.0), case.opened_ns, case.appeared_ns, 0.9)
    reported(elsewhere, alert_of(case, "stall", later_s=-99.0), *(alert_of(case, family) for family in got))
    assert cases_run.run_cases(tmp_path, [case.case_id], bench, NOW)[0].passed is passed


def test_a_broken_case_is_lost_where_it_passed_before_and_the_others_still_run(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))
    cases_run.run_cases(tmp_path, [case.case_id], bench, NOW)
    other = kept(tmp_path / "other", clip, bench, Judgement(NOW, "Li", "real"))
    (tmp_path / "other" / other.case_id).rename(tmp_path / "zz")
    (tmp_path / case.case_id / "recording.json").write_text("{")
    broken, _ = cases_run.run_cases(tmp_path, [case.case_id, "zz"], bench, NOW)
    assert (broken.passed, broken.change) == (False, "lost")
    assert "recording.json" in broken.fault


def test_a_case_runs_with_the_dwell_it_was_judged_with(bench: Bench, clip: Recording) -> None:
    other = Bench(Config(), bench.city, 4.0)
    own = cases_keep.bench_of(case_at(clip, 32), other)
    assert (own.config.vision.dwell_s, own.time_scale_s, own.baseline) == (40.0, None, False)


def test_pictures_alone_cannot_be_played(bench: Bench, tmp_path: Path) -> None:
    street = jpeg(Street(), 0)
    times = (10**18, 10**18 + 60 * 10**9)
    source = Source("incident x", times, lambda: ((time_ns, street) for time_ns in times), (640, 384))
    case = Case("c", "cam", "waste", BOX, times[1], times[0], 90.0, "incident x", pictures_only=True)
    assert keep(tmp_path, case, source, bench, LI, lambda: None).shows is None
    (outcome,) = cases_run.run_cases(tmp_path, ["c"], bench, NOW)
    assert (outcome.passed, outcome.fault) == (None, "pictures only")


@pytest.mark.parametrize(
    ("verdict", "what", "family", "named"),
    [("real", "", "", "--class stall"), ("real", "vehicle", "waste", "vehicle"), ("false", "boat", "", "--class boat")],
)
def test_a_word_that_contradicts_itself_is_refused(verdict: str, what: str, family: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        check(verdict, what, family)


def test_a_broken_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / cases_run.LEDGER).write_text("[]")
    with pytest.raises(UsageError, match=r"ledger\.json"):
        cases_run.read_ledger(tmp_path)


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["cases", *arguments, "--dir", str(folder)])


def test_the_verbs_from_a_missed_thing_to_its_end(clip: Recording, tmp_path: Path) -> None:
    assert verb.HEADS
    folder = tmp_path / "cases"
    assert "无" in call(folder, "list", "--lang", "zh").output
    event = [f"{clip.folder}@22", "real", "--box", "240,160,96,80", "--as", "Li", "--dwell", "40"]
    refused = call(folder, "label", *event)
    assert "--class" in str(refused.exception)
    assert not folder.exists() or list_cases(folder) == []
    made = call(folder, "label", *event, "--class", "waste", "--json")
    assert made.exit_code == 0, made.exception
    told = json.loads(made.stdout)
    assert (told["event"], told["verdict"], told["class"]) == ("kept", "real", "waste")
    again = json.loads(call(folder, "label", *event, "--class", "waste", "--json").stdout)
    assert (again["event"], again["case_id"]) == ("unchanged", told["case_id"])
    assert told["case_id"] in call(folder, "list", "--lang", "en").output
    ran = call(folder, "run", "--lang", "en")
    assert ran.exit_code == 0
    assert "0 lost" in ran.output
    assert "Li" in call(folder, "show", told["case_id"], "--lang", "en").output
    assert call(folder, "drop", told["case_id"]).exit_code == 0
    assert list_cases(folder) == []
    assert cases_run.read_ledger(folder).cases == {}


def test_a_run_that_loses_a_case_ends_with_one(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))
    assert call(tmp_path, "run", "--lang", "en").exit_code == 0
    reported()
    lost = call(tmp_path, "run", case.case_id, "--lang", "en")
    assert (lost.exit_code, "LOST" in lost.output, "1 lost" in lost.output) == (1, True, True)


@pytest.mark.parametrize("name", ["nothing", "..", ".", "../cases", "/etc"])
def test_an_unknown_case_is_refused_and_no_other_folder_is_touched(tmp_path: Path, name: str) -> None:
    for arguments in (("show", name), ("run", name), ("drop", name)):
        done = call(tmp_path, *arguments)
        assert isinstance(done.exception, UsageError)
        assert "cases list" in str(done.exception)
