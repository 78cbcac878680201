"""docs/intake.md tells a device's maker what is true."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.codecs.native import Item
from schemas.flags import NO_FIX, NO_TIME, NULL_ISLAND, QOS0
from schemas.position import RawMessage
from tests.ingest.native_case import FORMS, NOW_NS, RULES, TOPIC, decoded, message

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "intake.md").read_text(encoding="utf-8")
# Which argument of a call is a dead letter's reason.
REASON_AT = {
    "FrameError": 0,
    "StampError": 0,
    "RefusedError": 0,
    "Refusal": 1,
    "settle": 1,
    "_letter": 2,
    "DeadLetter": 3,
}
SOURCES = [*(ROOT / "ingest").rglob("*.py"), *(ROOT / "curbwatch" / "engine").glob("*.py"), ROOT / "curbwatch/shard.py"]


def chapter(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def produced() -> Iterator[str]:
    """Every reason written out in the code, wherever a message is refused."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name not in REASON_AT or len(node.args) <= REASON_AT[name] or "RETRY" in ast.unparse(node):
                continue
            argument = node.args[REASON_AT[name]]
            values = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
            yield from (v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str))


def test_the_list_of_reasons_is_the_codes() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", chapter("Why a message was refused"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(produced())


def test_every_key_of_a_position_is_explained() -> None:
    keys = set(re.findall(r"`(\w+)`", chapter("What to send").split("### Positions")[1].split("### Pictures")[0]))
    assert set(Item.__struct_fields__) <= keys


def test_every_property_of_a_picture_is_explained() -> None:
    schema = json.loads((ROOT / "schemas/wire/frame.v1.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]) <= set(re.findall(r"`(\w+)`", chapter("What to send").split("### Pictures")[1]))


def test_the_flags_are_numbered_as_they_are_stored() -> None:
    assert f"no time ({NO_TIME}), sent at QoS 0 ({QOS0})" in PAGE
    assert f"0 degrees 0 degrees ({NULL_ISLAND}), no satellite ({NO_FIX})" in PAGE


def test_the_example_is_kept() -> None:
    (example,) = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    found = FORMS.decode([RawMessage(TOPIC, example.encode(), NOW_NS)], RULES, {}, NOW_NS)
    assert (len(found.rows), found.dead_letters) == (1, [])


@pytest.mark.parametrize("key", sorted(set(Item.__struct_fields__) - {"lon", "lat"}))
def test_every_key_but_the_place_may_be_null(key: str) -> None:
    payload = json.dumps({"lon": 104.6, "lat": 30.1, key: None}).encode()
    assert len(decoded(message(payload)).rows) == 1
