"""What a camera has learned outlives `curbwatch run`, and what people order of it is done once, whenever it ends."""

from collections.abc import Callable

import cv2
import pytest

import curbwatch.database as db
from config.vision import VisionKnobs
from curbwatch.registry import register_camera
from detectors.vision import VisionDetector
from schemas.place import CameraView
from tests.detectors.lights import day
from tests.detectors.street import CAMERA, NATIVE, Street, Thing
from tests.devices import Devices
from tests.fix_service import Service, wait_until
from tests.fix_verbs import Verbs

pytestmark = pytest.mark.servers

KNOBS = {"dwell_s": 20.0, "analyse_period_s": 0.0, "maturing_period_s": 0.0}
STOOD = Thing((30, 50, 24, 20), 40.0)
CAME = Thing((100, 40, 22, 18), 200.0, seed=6)  # while nobody looks
STREET = Street((STOOD, CAME))
START_MS = 1_750_000_000_000


class Watched:
    """A camera's frames to a service, one after the other, and what its snapshot says."""

    def __init__(self, service: Service, devices: Devices) -> None:
        self._service, self._devices, self._seq = service, devices, 0

    def watch(self, start_s: float, end_s: float) -> None:
        for k in range(round((end_s - start_s) / 4)):
            t_s = start_s + 4 * k
            self._seq += 1
            picture = cv2.resize(day(STREET, t_s), NATIVE, interpolation=cv2.INTER_NEAREST)
            _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
            ts, seq = str(START_MS + round(1000 * t_s)), str(self._seq)
            self._devices.send(f"camera/{CAMERA}/frame", coded.tobytes(), ts=ts, seq=seq, boot="b1")
            wait_until("its outcome", lambda: self._devices.ack(CAMERA, "camera").get("seq") == self._seq)

    def watch_until(self, what: str, start_s: float, ready: Callable[[], bool]) -> float:
        """Frame after frame until ``ready``: an order is carried out after the first frame that finds it. Its end."""
        end_s = start_s

        def one_more() -> bool:
            nonlocal end_s
            self.watch(end_s, end_s + 4.0)
            end_s += 4.0
            return ready()

        wait_until(what, one_more)
        return end_s

    def tracks(self) -> list[int]:
        """Numbers of what the kept state says stands there."""
        by = VisionDetector(VisionKnobs(dwell_s=20.0), {})
        by.restore(CAMERA, (self._service.folder / "snapshots" / f"{CAMERA}.state").read_bytes())
        return sorted(by.features(CAMERA))


def test_what_stood_is_the_same_after_a_restart_what_came_meanwhile_is_found_and_orders_are_kept(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.configure(
        vision=KNOBS,
        alerts={"waste_confidence": 0.0, "stall_confidence": 0.0},
        intake={"client_id": f"intake-{service.site}"},
    )
    verbs = Verbs(monkeypatch, capsys, service.config)
    service.start()
    with db.connect(service.database_url) as conn:
        register_camera(conn, CameraView(CAMERA))
    with Devices(service.servers, service.site) as devices:
        camera = Watched(service, devices)
        camera.watch(0.0, 160.0)
        assert service.stop() == 0
        (stood,) = camera.tracks()

        service.start()
        camera.watch(400.0, 480.0)
        box = ",".join(str(4 * side) for side in CAME.box)
        (given,) = verbs.told("camera", "ignore", CAMERA, "--box", box, "--as", "li", "--wait", "0")
        assert given["outcome"] is None
        end_s = camera.watch_until("the order", 480.0, lambda: _outcomes(verbs) == ["done"])
        assert camera.tracks() == [stood]  # written at once
        service.kill()

        service.start()
        camera.watch(end_s, end_s + 36.0)
        (adoption,) = [row for row in verbs.told("camera", "adoptions", CAMERA) if row["reason"] == "operator_ignore"]
        assert adoption["undoable"]
        verbs.told("camera", "undo", CAMERA, str(adoption["adoption_id"]), "--as", "wang", "--wait", "0")
        assert "has no adoption 7" in verbs.refused(
            "camera", "undo", CAMERA, "7", "--as", "wang", "--wait", "0", "--lang", "en"
        )
        verbs.told("camera", "undo", CAMERA, str(adoption["adoption_id"]), "--as", "wang", "--wait", "0")
        camera.watch_until("both orders", end_s + 36.0, lambda: all(_outcomes(verbs)))
        refused, done, first = verbs.told("camera", "orders", CAMERA)
        assert (first["outcome"], done["outcome"], done["person"]) == ("done", "done", "wang")
        assert "not kept" in refused["outcome"]
        assert service.stop() == 0
        known, again = camera.tracks()
        assert known == stood
        assert again > stood
        with db.connect(service.database_url) as conn:
            query = "select count(*) from incident where track_id = %s having count(*) > 1"
            assert conn.execute(query, (stood,)).fetchone() is None  # one thing, one incident
        told = [event["outcome"] for event in service.events if event["event"] == "order_carried_out"]
        assert told[0] == "done"


def _outcomes(verbs: Verbs) -> list[str]:
    return [str(row["outcome"]) for row in verbs.told("camera", "orders", CAMERA)]
