"""No device makes a row, a picture, a status or a dead letter of another, in no form and on no topic it may write."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.codecs import CodecKnobs
from config.model import Config
from curbwatch.broker.foreign import foreign_forms
from curbwatch.broker.plan import NAME
from curbwatch.parts import Servers
from ingest.forms import load_codecs
from ingest.owners import own_level
from tests.broker.city import DEVICES, VEHICLE, City, city
from tests.broker.forgery import CONFIGURED, MAPPINGS, OTHERS, Bureau, payloads, topics

CODECS = load_codecs(CONFIGURED)
USUAL = CodecKnobs(mapping=MAPPINGS)
SAID = [payload for device in DEVICES for payload in payloads(device)]


def filters_of(knobs: CodecKnobs, name: str) -> dict[str, bool]:
    """Filters of a form, and whether a device has topics of its own there."""
    (codec,) = (codec for codec in load_codecs(knobs) if codec.name == name)
    return {one: own_level(codec, one) is not None for one in knobs.topics.get(name, codec.filters)}


@pytest.fixture(scope="module", params=[USUAL, CONFIGURED], ids=["usual", "configured"])
def town(servers: Servers, request: pytest.FixtureRequest) -> Iterator[City]:
    """A broker whose access list is written for these forms."""
    config = Config().model_copy(update={"codecs": request.param})
    with city(f"test-{os.getpid()}-own", config=config) as made:
        yield made


@pytest.mark.servers
@pytest.mark.parametrize("name", [codec.name for codec in CODECS])
def test_with_its_own_password_a_device_is_nobody_else(town: City, name: str) -> None:
    codecs = town.config.codecs
    places = [*topics(filters_of(codecs, name), DEVICES)]
    with (
        town.guest("intake-positions") as positions,
        town.guest("intake-frames") as frames,
        town.guest(VEHICLE) as attacker,
    ):
        positions.subscribe("#")
        frames.subscribe("#")
        for topic in places:
            attacker.publish_many(topic, SAID)
        heard = town.heard_by(positions), town.heard_by(frames)
    bureau = Bureau(codecs)
    kept = bureau.vehicles(heard[0]) | bureau.cameras(heard[1])
    assert not kept & OTHERS
    assert (VEHICLE in kept) is any(filters_of(codecs, name).values())


LEVELS = st.sampled_from([*DEVICES, "x"])
FILTERS = st.tuples(
    st.lists(st.sampled_from(["+", "+", *DEVICES, "x"]), min_size=1, max_size=3), st.sampled_from([(), (), ("#",)])
).map(lambda parts: "/".join((*parts[0], *parts[1])))
FILTERS = FILTERS.filter(lambda pattern: "#" not in pattern or any(name in pattern for name in (*DEVICES, "x")))


@st.composite
def forms(draw: st.DrawFn) -> CodecKnobs:
    """Every form on any filters at all, which may overlap."""
    chosen = st.lists(FILTERS, min_size=1, max_size=2).map(tuple)
    pieces = ("meta", "chunk", "chunk/+", "done")
    boards = draw(FILTERS.filter(lambda pattern: "+" in pattern and "#" not in pattern))
    given = {codec.name: draw(chosen) for codec in load_codecs(USUAL)}
    return CodecKnobs(mapping=MAPPINGS, topics=given | {"chunked": tuple(f"{boards}/{piece}" for piece in pieces)})


@given(forms(), st.data())
def test_however_filters_are_chosen_a_device_is_nobody_else(knobs: CodecKnobs, data: st.DataObject) -> None:
    writes = [form.topic.replace(NAME, VEHICLE) for form in foreign_forms(knobs)[0]]
    every = sorted({topic for pattern in writes for topic in topics([pattern], ("x", *DEVICES))})
    assume(every)
    said = data.draw(st.lists(st.tuples(st.sampled_from(every), st.sampled_from(SAID)), min_size=1, max_size=8))
    bureau = Bureau(knobs)
    assert not (bureau.vehicles(said) | bureau.cameras(said)) & OTHERS
