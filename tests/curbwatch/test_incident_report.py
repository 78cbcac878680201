"""`curbwatch incident report`: what a hotline, a patrol or a vehicle tells, in a person's words or a program's."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from config.ground import ground_point
from config.pack import load_pack
from config.quality import city_box
from curbwatch.__main__ import main
from curbwatch.case_facts import CaseFacts
from curbwatch.parts import Servers
from curbwatch.registry import sync_pack
from curbwatch.reports import Atlas, Told, report_of
from ingest.crs import wgs84_to_gcj02
from schemas.city import CaseClass, City
from schemas.errors import UsageError
from schemas.incident import Attachment, Repeats
from schemas.place import CameraView
from schemas.rules import CityRules, ClassArea, ShopFront
from tests.alerts.makers import CALIBRATION, CELL, SQUARE, city, permit, view

Run = Callable[..., tuple[int, str, str]]
NOON = datetime(2026, 5, 4, 4, tzinfo=UTC)
HERE = frozenset({("cam-1", "left")})
AROUND = ((104.639, 30.119), (104.643, 30.119), (104.643, 30.123), (104.639, 30.123))  # what cam-1 sees


def told(**changes: Any) -> Told:  # noqa: ANN401
    return replace(Told("complaint", "1", NOON, family="stall", cell_id=CELL), **changes)


def test_a_report_gets_the_class_the_cell_and_the_unit_of_the_city() -> None:
    found = report_of(told(cell_id="", lon=104.6405, lat=30.1205), city(), Atlas({}))
    assert (found.family, found.class_code, found.cell_id, found.unit_id) == ("stall", "09006", CELL, "u-1")
    assert found.rule_version == "v1"
    waste = report_of(told(family="", class_code="06010"), city(), Atlas({}))
    assert (waste.family, waste.unit_id, waste.point) == ("waste", "u-2", None)


@pytest.mark.parametrize("code", ["09006", "51200209006", "2013:04-06", "cjt214:05-09"])
def test_a_class_is_named_by_its_full_code_and_by_those_of_the_older_lineages(code: str) -> None:
    classes = {"09006": CaseClass("09006", "占", "Stall", "stall", legacy_2013="04-06", legacy_cjt214="05-09")}
    more = {"detail": {"part": "51200201001000001"}, "family": ""}
    found = report_of(told(class_code=code, **more), city(classes=classes), Atlas({}))
    assert (found.class_code, found.detail) == ("09006", {"part": "51200201001000001"})


def test_a_point_off_a_phone_s_map_is_turned_into_wgs84() -> None:
    lon, lat = wgs84_to_gcj02(np.array([104.6405]), np.array([30.1205]))
    found = report_of(told(lon=float(lon[0]), lat=float(lat[0]), crs="gcj02"), city(), Atlas({}))
    assert found.point == pytest.approx((104.6405, 30.1205), abs=1e-8)


def test_a_camera_brings_its_cell_and_its_unit() -> None:
    views = {"cam-1": CameraView("cam-1", cell_id=CELL, unit_id="u-2")}
    found = report_of(told(cell_id="", camera_id="cam-1", box_px=(1.0, 2.0, 3.0, 4.0)), city(), Atlas(views))
    assert (found.camera_id, found.cell_id, found.unit_id) == ("cam-1", CELL, "u-2")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"family": ""}, "what is it"),
        ({"family": "stal"}, "no family 'stal'"),
        ({"family": "", "class_code": "9006"}, "did you mean '09006'"),
        ({"class_code": "06010"}, "class 06010 is of family waste, not stall"),
        ({"class_code": "04-06"}, "of which lineage.* 2013:04-06 or cjt214:04-06"),
        ({"class_code": "2013:04-05x"}, "no class '2013:04-05x'"),
        ({"class_code": "2013:01-31"}, "no class of pack T is 2013:01-31 .06031 by the rule."),
        ({"class_code": "cjt214:09-99"}, "no class of pack T is cjt214:09-99$"),
        ({"class_code": "51200205010"}, "class 05 is of parts"),
        ({"class_code": "11010109006"}, "--class: is of division 110101, and this city is 512002"),
        ({"detail": {"part": "51200201001"}}, "--part 51200201001: a part code has 17 digits"),
        ({"detail": {"part": "11010101001000001"}}, "--part: is of division 110101"),
        ({"cell_id": ""}, "where is it"),
        ({"cell_id": "512002001001009"}, "no cell '512002001001009'; did you mean"),
        ({"lon": 104.0}, "both --lon and --lat"),
        ({"lon": float("nan"), "lat": 30.0}, "longitude is -180..180"),
        ({"lon": 30.0, "lat": 104.0}, "latitude -90..90 degrees: swapped"),
        ({"lon": 30.12, "lat": 84.64}, r"is not in this city.*longitude 104.*latitude 29.*: swapped\?"),
        ({"lon": 30.12, "lat": 84.64, "crs": "gcj02"}, r"30.12 --lat 84.64 .gcj02. is not in this city"),
        ({"camera_id": "cam-9"}, "no camera 'cam-9'"),
        ({"detail": {"text": "x" * 2001}}, "--text: at most 2000 characters"),
        ({"box_px": (1.0, 2.0, 3.0, 4.0)}, "a box is one in the picture of a camera"),
    ],
)
def test_what_cannot_be_placed_or_classed_is_told_with_what_to_give(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        report_of(told(**changes), city(), Atlas({}, box=city_box(city(), 20_000)))


def test_a_city_without_a_grid_takes_any_point() -> None:
    assert city_box(city(cells={}), 20_000) is None
    found = report_of(told(cell_id="", lon=30.12, lat=84.64), city(cells={}), Atlas({}))
    assert (found.point, found.cell_id) == ((30.12, 84.64), "")


def fronts(**place: Any) -> City:  # noqa: ANN401
    """A city with one shop front, at this place."""
    return city(rules=CityRules(shop_fronts=(ShopFront("s-1", "面馆", "王记面馆", **place),)))


@pytest.mark.parametrize(
    ("changes", "ruled"),
    [
        ({"cell_id": "", "lon": 104.6405, "lat": 30.1205}, fronts(polygon=SQUARE)),
        ({"camera_id": "cam-1", "box_px": (200.0, 400.0, 120.0, 150.0)}, fronts(camera_zones=HERE)),
        ({"camera_id": "cam-1", "box_px": (200.0, 400.0, 120.0, 150.0)}, fronts(polygon=AROUND)),
    ],
    ids=["point", "zone", "box on calibrated ground"],
)
def test_what_is_told_of_a_shop_front_is_classed_and_has_its_party_as_a_camera_s_look(
    changes: dict[str, Any], ruled: City
) -> None:
    atlas = Atlas({"cam-1": view(calibration=CALIBRATION)}, {"cam-1": (1280, 720)})
    found = report_of(told(**changes), ruled, atlas)
    assert (found.class_code, found.party) == ("09005", "王记面馆")
    named = report_of(told(**changes, class_code="09006"), ruled, atlas)
    assert (named.class_code, named.party) == ("09006", ""), "a class that was named is the one"
    waste = report_of(told(**changes | {"family": "waste"}), ruled, atlas)
    assert (waste.class_code, waste.party) == ("06010", "")


def test_a_box_on_calibrated_ground_has_the_point_that_a_camera_s_look_would_have() -> None:
    box = (200.0, 400.0, 120.0, 150.0)
    atlas = Atlas({"cam-1": view(calibration=CALIBRATION)}, {"cam-1": (1280, 720)})
    found = report_of(told(camera_id="cam-1", box_px=box), city(), atlas)
    assert found.point == ground_point(CALIBRATION, box, (1280, 720))
    assert report_of(told(camera_id="cam-1"), city(), atlas).point is None


def test_away_from_the_front_or_nowhere_it_is_a_vendor_of_no_shop() -> None:
    ruled = fronts(polygon=SQUARE, camera_zones=HERE)
    atlas = Atlas({"cam-1": view()}, {"cam-1": (1280, 720)}, city_box(ruled, 20_000))
    for changes in ({"lon": 104.645, "lat": 30.1205}, {"camera_id": "cam-1"}, {}):
        found = report_of(told(**changes), ruled, atlas)
        assert (found.class_code, found.party) == ("09006", ""), changes
    unzoned = Atlas({"cam-1": view(zones=(), shop_front=True)})
    found = report_of(told(camera_id="cam-1"), city(), unzoned)
    assert (found.class_code, found.party) == ("09005", ""), "a camera of a shop front, whose party nobody named"


def test_waste_in_a_green_belt_and_a_stall_on_a_market_s_ground_are_called_so() -> None:
    whole = city()
    green = replace(whole.classes["06010"], code="06017", urgent=False)
    market = replace(whole.classes["09006"], code="09002")
    ruled = replace(
        whole,
        classes=whole.classes | {"06017": green, "09002": market},
        permits=(permit((frozenset(range(7)), 6 * 60, 8 * 60), polygon=SQUARE, camera_zones=frozenset()),),
        rules=CityRules(areas=(ClassArea("a-1", "绿化带", "06017", polygon=SQUARE),)),
    )
    here = {"cell_id": "", "lon": 104.6405, "lat": 30.1205}
    waste = report_of(told(**here, family="waste"), ruled, Atlas({}))
    assert (waste.class_code, waste.urgent) == ("06017", False)
    assert report_of(told(**here), ruled, Atlas({})).class_code == "09002"


@pytest.fixture
def run(incident: Run) -> Run:
    def started(*arguments: str) -> tuple[int, str, str]:
        return incident("report", *arguments, "--as", "li")

    return started


@pytest.fixture
def show(incident: Run) -> Run:
    def started(*arguments: str) -> tuple[int, str, str]:
        return incident("show", *arguments)

    return started


@pytest.fixture
def incident(
    tmp_path: Path,
    desk_url: str,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    with db.session(desk_url) as conn:
        sync_pack(conn, load_pack(Path("yanjiang")), past_limit_s=3600)
    path = tmp_path / "curbwatch.toml"
    redis = f'[redis]\nurl = "{servers.redis_url}"'
    path.write_text(f'[broker]\nurl = "{servers.broker_url}"\n[database]\nurl = "{desk_url}"\n{redis}\n')

    def started(*arguments: str) -> tuple[int, str, str]:
        command = ["curbwatch", "incident", *arguments, "--config", str(path)]
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        structlog.reset_defaults()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return started


@pytest.mark.servers
def test_a_complaint_opens_an_incident_once_and_the_next_caller_joins_it(run: Run, incidents: IncidentStore) -> None:
    pack = load_pack(Path("yanjiang")).city
    cell = min(pack.cells)
    first = ("--kind", "complaint", "--ref", "A-1", "--family", "stall", "--cell", cell, "--text", "门口摆摊")
    status, out, _ = run(*first, "--json")
    said = json.loads(out)
    assert (status, said["event"], said["incident"]["state"]) == (0, "opened", "verify")
    assert run(*first, "--json")[1].count('"known"') == 1
    status, out, _ = run("--kind", "patrol", "--ref", "7", "--class", "09006", "--cell", cell, "--lang", "zh")
    assert (status, out.split()[0]) == (0, "已并入在办事件")
    (row,) = incidents.recent()
    assert [(one.kind, one.ref) for one in incidents.attachments(row.incident_id)] == [
        ("complaint", "A-1"),
        ("patrol", "7"),
    ]
    assert incidents.of_ref("A-1") == row.incident_id
    assert [(one.actor, one.what) for one in incidents.events(row.incident_id)] == [
        ("li", "opened"),
        ("li", "attached"),
    ]


@pytest.mark.servers
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ref", "1", "--family", "stall"), "where is it"),
        (("--ref", "", "--family", "stall", "--camera", "yj-cam-01"), "needs its number"),
        (("--ref", "1", "--family", "stall", "--lon", "104.6", "--lat", "30.1", "--at", "noon"), "a moment with its"),
        (
            ("--ref", "1", "--family", "stall", "--lon", "1", "--lat", "2", "--at", "2026-05-04T10:00:00"),
            "with its zone",
        ),
    ],
)
def test_a_report_that_cannot_be_taken_is_one_line_and_status_2(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    status, out, err = run("--kind", "complaint", *arguments, "--lang", "en")
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.servers
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_caller_s_number_shows_the_case_and_what_it_lacks_to_stand_alone(
    run: Run, show: Run, incidents: IncidentStore, lang: str
) -> None:
    cell = min(load_pack(Path("yanjiang")).city.cells)
    run("--kind", "complaint", "--ref", "A-1", "--family", "stall", "--cell", cell, "--text", "门口摆摊")
    (row,) = incidents.recent()
    status, out, _ = show("--ref", "A-1", "--json", "--lang", lang)
    said = json.loads(out)
    assert (status, said["incident"]["incident_id"]) == (0, row.incident_id)
    assert said["evidence"] == []
    assert said["off_site"]["missing"] == ["pictures", "position", "crop", "device"]
    assert said["repeats"] == {"spot": 1, "party": 0, "days": 30}
    (told,) = said["attachments"]
    assert (told["ref"], told["detail"]["text"]) == ("A-1", "门口摆摊")
    status, out, _ = show(row.incident_id, "--lang", lang)
    assert status == 0
    assert {"zh": "非现场执法证据不全:缺少两张目标的原始照片", "en": "not ready, wants two original"}[lang] in out
    assert {"zh": "投诉 A-1", "en": "complaint A-1"}[lang] in out


@pytest.mark.servers
@pytest.mark.parametrize("arguments", [(), ("--ref", "Z"), ("0" * 8, "--ref", "Z")])
def test_a_number_that_nobody_gave_is_one_clean_line(show: Run, arguments: tuple[str, ...]) -> None:
    status, out, err = show(*arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.servers
def test_whoever_collects_may_report_and_an_auditor_may_not(incident: Run, incidents: IncidentStore) -> None:
    pack = load_pack(Path("yanjiang")).city
    by_role = {member.role: member.person_id for member in pack.rules.staff.values()}
    told = ("report", "--kind", "patrol", "--ref", "1", "--family", "waste", "--cell", min(pack.cells), "--as")
    status, out, err = incident(*told, by_role["auditor"], "--lang", "en")
    assert (status, out, incidents.recent()) == (2, "", [])
    assert "is an auditor" in err
    assert incident(*told, by_role["auxiliary"])[0] == 0
    (row,) = incidents.recent()
    assert (row.state, row.source) == ("verify", "patrol")


def test_what_a_caller_said_changes_nothing_on_a_terminal() -> None:
    told_by = Attachment("complaint", "1", NOON, None, None, {"text": "\x1b[2J占道"})
    facts = CaseFacts((), (told_by,), Repeats(1, 0, 30), ())
    first, *_ = facts.lines("zh", lambda when: f"{when:%H:%M}")
    assert first == "投诉 1  04:00  text=\\x1b[2J占道"
