"""What a device could publish to be taken for another one, in every form, and what the intake makes of it."""

import json
import time
from collections.abc import Iterable, Iterator
from itertools import product

from config.codecs import CodecKnobs, FieldKnobs, MappingKnobs
from config.intake import IntakeKnobs
from ingest.cameras import FrameIntake, FrameOutlets
from ingest.forms import Forms, PositionForms
from ingest.pictures import PictureForms
from ingest.slots import FrameSlots
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.position import RawMessage
from tests.broker.city import CAMERA, OTHER, VEHICLE
from tests.ingest.codecs.jt808_case import framed, place
from tests.ingest.codecs.picture_case import PICTURE
from tests.ingest.tally import Tally

SCHEME = TopicScheme("city/v1", "yanjiang")
NOW_NS = time.time_ns()
TERMINALS = {VEHICLE: "013900000001", OTHER: "013900000002", CAMERA: "013900000003"}
# Cameras whose names could come of several levels of a topic, or be a level that is always the same.
NEIGHBOURS = ("x", *("-".join(pair) for pair in product((*TERMINALS, "x"), (*TERMINALS, "x", "meta"))))
OTHERS = {OTHER, CAMERA, *NEIGHBOURS}
PLACE_FIELDS = {"lon": FieldKnobs(path="lon"), "lat": FieldKnobs(path="lat")}
MAPPINGS = (
    MappingKnobs(name="by_body", topics=("body/+", "body"), device="path:id", fields=PLACE_FIELDS),
    MappingKnobs(name="by_topic", topics=("json/+/+/attrs",), device="topic:2", fields=PLACE_FIELDS),
)
# Every form on filters of the operator's own, beside or in place of its usual ones.
CONFIGURED = CodecKnobs(
    mapping=MAPPINGS,
    topics={
        "traccar": ("positions", "gps/+", "gps/+/x"),
        "thingsboard_gateway": ("tb/+/telemetry", "tb/+/connect", "tb/+/disconnect"),
        "ngsi_ld": ("ngsi/+", "ngsi-ld/#"),
        "jt808": ("jt808/+", "jt808/+/x", "jt808"),
        "owntracks": ("owntracks/qtripp/+", "owntracks/+/+"),
        "osmand": ("gps/+", "osmand/+/#"),
        "thingsboard": ("v1/devices/+/telemetry",),
        "frigate": ("frigate/+/+/snapshot", "frigate/+/status/detect"),
        "home_assistant": ("yard/+/+/image", "yard/image"),
        "data_uri": ("+/yard/image", "esp32/+/image"),
    },
)


def rules() -> dict[str, DeviceRule]:
    """Two vehicles, a camera and its neighbours; a terminal number is an alias of each of the broker's devices."""
    found = {name: DeviceRule(name, "camera") for name in (*NEIGHBOURS, CAMERA)}
    found |= {name: DeviceRule(name, "vehicle") for name in (VEHICLE, OTHER)}
    return found | {f"jt808:{terminal}": found[name] for name, terminal in TERMINALS.items()}


def payloads(device: str) -> Iterator[bytes]:
    """One message of each form that says it is a device's."""
    here = {"lat": 30.12, "lon": 104.64}
    point = {"type": "Point", "coordinates": [104.64, 30.12]}
    clock = time.strftime("%y%m%d%H%M%S", time.gmtime(NOW_NS / 1e9 + 8 * 3600))
    for said in (
        {"_type": "location", "tst": NOW_NS // 10**9, "id": device, **here},
        {"_type": "lwt"},
        {"position": {"latitude": 30.12, "longitude": 104.64}, "device": {"uniqueId": device}},
        {"device_id": device, "location": {"coords": {"latitude": 30.12, "longitude": 104.64}}},
        {device: [{"ts": NOW_NS // 10**6, "values": here}]},
        {"device": device},
        {"id": f"urn:ngsi-ld:Vehicle:{device}", "type": "Vehicle", "location": point},
        {"id": device, "size": len(PICTURE), **here},
    ):
        yield json.dumps(said).encode()
    yield framed(0x0200, place(clock=clock), terminal=TERMINALS[device])
    yield b"online"
    yield b""
    yield PICTURE


def topics(filters: Iterable[str], levels: Iterable[str]) -> Iterator[str]:
    """Every topic of these filters with these levels for their wildcards."""
    for pattern in filters:
        parts = pattern.replace("#", "+/+").split("/")
        for filled in product(*(tuple(levels) if part == "+" else (part,) for part in parts)):
            yield "/".join(filled)


class Bureau:
    """The intake of a city: everything that comes is read, and it is noted of whom something is kept."""

    def __init__(self, knobs: CodecKnobs) -> None:
        self._positions = PositionForms(SCHEME, 300.0, Forms(knobs, "vehicle"))
        self._states = self._positions.foreign.begin()
        self.rules = rules()
        self._frames = FrameIntake(
            IntakeKnobs(),
            SCHEME,
            PictureForms(knobs),
            FrameSlots(wait_max_s=30, period_s=lambda _camera: 0.0),
            self,
            Tally(),
        )
        self._present: list[str] = []
        self._frames.connect(FrameOutlets(lambda _tickets: None, lambda _topic, _payload: None, self._say))

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass

    def _say(self, device_id: str, _online: bool, _received_ns: int) -> None:
        self._present.append(device_id)

    def vehicles(self, messages: Iterable[tuple[str, bytes]]) -> set[str]:
        """Of whom something is kept of these messages, dead letters too."""
        batch = [RawMessage(topic, payload, NOW_NS) for topic, payload in messages]
        found = self._positions.decode(batch, self.rules, self._states, NOW_NS)
        kept = {*found.rows.device_id, *(one.device for one in found.statuses)}
        return kept | {letter.device_id for letter in found.dead_letters}

    def cameras(self, messages: Iterable[tuple[str, bytes]]) -> set[str]:
        """The same of pictures."""
        for topic, payload in messages:
            self._frames.put(RawMessage(topic, payload, NOW_NS), None)
        self._frames.expire(NOW_NS, stopping=True)
        kept = {delivery.payload.camera_id for delivery in self._frames.take(100_000, NOW_NS)}
        kept |= {letter.device_id for letter in self._frames.letters()}
        return kept | set(self._present)
