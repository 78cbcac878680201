"""An incident of a running system: explained from recorded frames or from its evidence, kept as a case, calibrated."""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import structlog

import curbwatch.database as db
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from curbwatch.__main__ import main
from curbwatch.parts import Servers
from curbwatch.registry import load_registry, register_camera
from curbwatch.tuning.cases import list_cases
from schemas.frame import Frame
from schemas.incident import EvidenceRecord
from schemas.place import CameraView, ImageZone
from schemas.units import utc
from tests.alerts.makers import MONDAY_1059, S, sighting
from tests.detectors.street import NATIVE, Street
from tests.tuning.clips import THING, jpeg, recorded

pytestmark = pytest.mark.servers

CAMERA = "cam-1"
ZONE = ImageZone("kerb", ((0, 100), (639, 100), (639, 383), (0, 383)))
BOX = (240.0, 160.0, 96.0, 80.0)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    servers: Servers,
    desk_url: str,
) -> Run:
    """Run a verb in this process on the desk's database; status, standard output, standard error."""
    config = tmp_path / "curbwatch.toml"
    urls = {"broker": servers.broker_url, "database": desk_url, "redis": servers.redis_url}
    lines = [f'[{name}]\nurl = "{url}"' for name, url in urls.items()]
    lines += [f'[alerts]\nevidence_dir = "{tmp_path}/evidence"', '[site]\nlang = "en"', "[vision]\ndwell_s = 40"]
    config.write_text("\n".join(lines) + "\n")

    def started(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["curbwatch", *arguments, "--config", str(config)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        structlog.reset_defaults()  # it would keep this test's standard error for the next one
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return started


@pytest.fixture
def incident_id(incidents: IncidentStore, desk_url: str, tmp_path: Path) -> str:
    """Waste at 160 s of the made-up street, with its two pictures."""
    with db.connect(desk_url, autocommit=True) as conn:
        register_camera(conn, CameraView(CAMERA, (ZONE,)))
    folder = EvidenceFolder(tmp_path / "evidence")
    one = sighting(
        camera_id=CAMERA, family="waste", class_code="06010", box_px=BOX, captured_ns=MONDAY_1059, point=None
    )

    def picture(frame: int, captured_ns: int) -> EvidenceRecord:
        return folder.keep(Frame(CAMERA, captured_ns, captured_ns, jpeg(Street((THING,)), frame), *NATIVE))

    before, opening = picture(10, MONDAY_1059 - 120 * S), picture(40, MONDAY_1059)
    return incidents.open_or_refresh(one, before, opening).incident_id


def recordings(folder: Path) -> Path:
    stamps = [utc(MONDAY_1059 + (4 * k - 160) * S).isoformat() for k in range(50)]
    recorded(folder / CAMERA / f"{CAMERA}-x", Street((THING,)), 50, stamps=stamps, camera_id=CAMERA)
    return folder


def test_an_unknown_incident_is_refused(run: Run) -> None:
    status, _, err = run("explain", "00000000-0000-0000-0000-000000000001")
    assert status == 2
    assert err.count("\n") == 1


def test_without_recorded_frames_the_evidence_is_shown(run: Run, incident_id: str, tmp_path: Path) -> None:
    page, png = tmp_path / "why.html", tmp_path / "why.png"
    nowhere = str(tmp_path / "nowhere")
    status, out, err = run(
        "explain", incident_id, "--frames", nowhere, "--report", str(page), "--strip", str(png), "--lang", "en"
    )
    assert (status, err) == (0, "")
    assert "An alert for waste in" in out
    assert "curbwatch record" in out
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 3
    picture = cv2.imread(str(png))
    assert picture is not None
    assert picture.std() > 10


def test_with_recorded_frames_it_is_explained_step_by_step(run: Run, incident_id: str, tmp_path: Path) -> None:
    frames = str(recordings(tmp_path / "ring"))
    status, out, _ = run("explain", incident_id, "--frames", frames, "--lang", "en")
    assert status == 0
    assert "An alert for waste." in out
    assert "s are asked" in out
    assert "Nearest other class" in out


@pytest.mark.parametrize("with_frames", [True, False])
def test_a_word_on_an_incident_keeps_it_as_a_case(
    run: Run, incident_id: str, tmp_path: Path, with_frames: bool
) -> None:
    frames = str(recordings(tmp_path / "ring") if with_frames else tmp_path / "nowhere")
    word = ("cases", "label", incident_id, "false", "--class", "bike", "--as", "Li", "--frames", frames)
    status, out, _ = run(*word, "--dir", str(tmp_path / "cases"))
    assert status == 0, out
    (case,) = list_cases(tmp_path / "cases")
    assert (case.camera_id, case.family, case.key) == (CAMERA, "waste", "false bike")
    assert case.pictures_only is not with_frames
    assert len(list((tmp_path / "cases" / case.case_id / "frames").iterdir())) == (50 if with_frames else 2)
    assert run(*word, "--dir", str(tmp_path / "cases"))[0] == 0
    assert len(list_cases(tmp_path / "cases")) == 1


def test_a_camera_is_calibrated_on_its_newest_picture_and_the_registry_keeps_it(
    run: Run, incident_id: str, desk_url: str, tmp_path: Path
) -> None:
    assert incident_id
    points = ("--point", "200,300", "--point", "300,300", "--length-m", "2")
    place = ("--lon", "104.64", "--lat", "30.12", "--bearing", "62")
    status, _, err = run("calibrate", CAMERA, *points, "--horizon", "50", "--save")
    assert (status, err.count("\n")) == (2, 1)
    assert "--lon" in err
    ruler = tmp_path / "ruler.png"
    status, out, err = run("calibrate", CAMERA, *points, "--horizon", "50", *place, "--save", "--ruler", str(ruler))
    assert (status, err) == (0, "")
    assert "written into the registry" in out
    with db.connect(desk_url, autocommit=True) as conn:
        kept = load_registry(conn).views[CAMERA].calibration
    assert kept is not None
    assert kept.px_per_m_slope == pytest.approx(0.2)
    assert (kept.horizon_row, kept.height_m, kept.bearing_deg) == (50, 5, 62)
    drawn = cv2.imread(str(ruler))
    assert drawn is not None
    assert np.asarray(drawn).shape == (384, 640, 3)
    status, out, _ = run("calibrate", CAMERA, "--point", "200,200", "--point", "260,200", "--length-m", "2")
    assert (status, "stored calibration" in out) == (0, True)


def test_an_unknown_camera_is_refused(run: Run) -> None:
    points = ("--point", "200,300", "--point", "300,300", "--length-m", "2", "--horizon", "50")
    status, _, err = run("calibrate", "nobody", *points)
    assert (status, err.count("\n")) == (2, 1)
    assert "device list" in err
