"""What the intake does for each device by itself: its own largest message, and its page in the book."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from ingest.admission import Admission
from ingest.cameras import FrameOutlets
from ingest.delivery import Outcome
from ingest.forms import Forms, PositionForms
from ingest.frames import read_frame
from ingest.health import HealthBook, foreign_of
from schemas.device import DeviceRule
from schemas.errors import FrameError
from schemas.position import RawMessage
from tests.ingest.jpegs import jpeg
from tests.ingest.native_case import FORMS, NOW_NS, SCHEME, body, message
from tests.ingest.test_cameras import Bench, Registry, S, settle_all


class Known:
    rules: Mapping[str, DeviceRule] = {
        "v-1": DeviceRule("v-1", "vehicle", max_bytes=200),
        "v-2": DeviceRule("v-2", "vehicle", max_bytes=10**9),
    }

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass


@pytest.mark.parametrize(("device", "size", "passes"), [("v-1", 200, True), ("v-1", 201, False), ("v-2", 1001, False)])
def test_a_vehicle_may_send_what_the_registry_allows_it_and_never_more_than_the_intake(
    device: str, size: int, passes: bool
) -> None:
    knobs = IntakeKnobs(positions_max_bytes=1000)
    admitted = Admission(knobs, FORMS, Known()).admit([message(b" " * size, device=device)])
    assert [len(admitted.passed), [letter.reason for letter in admitted.shed]] == [
        int(passes),
        [] if passes else ["size"],
    ]


def test_a_camera_may_send_what_the_registry_allows_it() -> None:
    picture, rule = jpeg(64, 48), DeviceRule("cam", "camera")
    sent = RawMessage("t", picture, NOW_NS)
    limits = {"max_bytes": 2_000_000, "max_pixels": 10_000, "future_s": 300.0}
    assert read_frame(sent, replace(rule, max_bytes=len(picture)), **limits).jpeg == picture  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="size"):
        read_frame(sent, replace(rule, max_bytes=len(picture) - 1), **limits)  # type: ignore[arg-type]


def test_the_book_hears_how_every_picture_ended_and_who_is_a_stranger() -> None:
    bench, picture = Bench(), jpeg(64, 48)
    book = HealthBook(Registry(), silence_s=300.0)
    bench.intake.connect(
        FrameOutlets(
            bench.finished.extend,
            bench._publish,
            note=book.frame,
            refused=lambda letter: book.letter(letter, "camera"),
        )
    )
    assert book.sweep().changed == []
    bench.send(picture, 0)
    settle_all(bench)
    bench.send(picture, 1, at_s=10)
    bench.send(picture, 2, at_s=10.5)  # newer: the one before is shed
    settle_all(bench, at_s=11, outcome=Outcome.REJECT, reason="corrupt")
    bench.send(b"no picture", 3, at_s=20)
    bench.send(picture, 4, camera="nobody", at_s=21)
    sweep = book.sweep()
    assert [row.device_id for row in sweep.changed] == ["cam"]
    counts = sweep.changed[0].counts
    assert (counts["messages"], counts["shed"], counts["rejected"]) == (4, 1, 2)
    assert sweep.changed[0].captured_ns == 1_770_000_000 * S + 10_500_000_000
    assert [(one.form, one.foreign_id, one.kind) for one in sweep.strangers] == [("native", "nobody", "camera")]
    assert bench.balanced()


def test_a_stranger_of_a_foreign_form_is_named_by_form_and_id() -> None:
    forms = PositionForms(SCHEME, 300.0, Forms(CodecKnobs(), "vehicle"))
    sent = RawMessage("owntracks/jane/phone", b'{"_type": "location", "lat": 30.1, "lon": 104.6}', NOW_NS)
    found = forms.decode([sent, message(body(), device="nobody")], {}, forms.foreign.begin(), NOW_NS)
    assert [foreign_of(letter) for letter in found.dead_letters] == [("owntracks", "jane"), ("native", "nobody")]
    rules = {"owntracks:jane": DeviceRule("walker-1", "vehicle")}
    found = forms.decode([sent], rules, forms.foreign.begin(), NOW_NS)
    assert found.rows.device_id == ["walker-1"]
