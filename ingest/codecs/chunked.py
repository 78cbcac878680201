"""Pictures in pieces, from boards whose MQTT buffer is smaller than a picture: meta, chunks, done."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import msgspec

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, PictureItem, Refusal
from ingest.codecs.native import UNREADABLE, unread
from ingest.codecs.picture import device_in
from ingest.codecs.rows import RefusedError
from ingest.stamps import digits
from schemas.position import RawMessage

NAME = "chunked"
FILTERS = ("esp32/+/meta", "esp32/+/chunk", "esp32/+/chunk/+", "esp32/+/done")
PIECES_MAX = 10_000  # of one picture: 2 MB in the 200 bytes that PubSubClient's standard buffer leaves
OPEN_MAX = 2000  # pictures on their way at once
# Of an open picture and of a piece beside their payload: without them empty ones would fill the memory.
OPEN_BYTES, PIECE_BYTES = 1000, 150


class Meta(msgspec.Struct):
    """What announces a picture."""

    size: int
    chunks: int | None = None
    ts: str | int | None = None
    seq: int | None = None
    boot: str | None = None
    preset: str | None = None
    sha256: str | None = None


META = msgspec.json.Decoder(Meta)


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture of which not all has come.

    Attributes:
        topic: where its first piece came.
        begun_ns: when; of a refused one, when its last piece came.
        size: bytes by its meta; 0: it is refused, and what still comes of it is passed over.
        chunks: number of pieces by its meta; None: not said.
        properties: what the meta says of the picture.
        pieces: number and bytes, as they came.
        have: bit ``n`` set: piece ``n`` is there.
        came: bytes of all pieces.
        numbered: whether the pieces have their number in the topic; None before the first.
    """

    topic: str
    begun_ns: int
    size: int = 0
    chunks: int | None = None
    properties: tuple[tuple[str, str], ...] = ()
    pieces: tuple[tuple[int, bytes], ...] = ()
    have: int = 0
    came: int = 0
    numbered: bool | None = None

    @property
    def weight(self) -> int:
        """Bytes it takes."""
        return OPEN_BYTES + self.came + PIECE_BYTES * len(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether every byte and every piece is there."""
        count = len(self.pieces)
        return 0 < self.size == self.came and self.chunks in (None, count) and self.have == (1 << count) - 1

    @property
    def payload(self) -> bytes:
        """What came, in order."""
        return b"".join(piece for _, piece in sorted(self.pieces, key=lambda numbered: numbered[0]))

    def with_piece(self, number: int | None, piece: bytes) -> "Opened":
        """Return it with one piece more. Raises RefusedError ``incomplete`` where it cannot become whole any more."""
        at = len(self.pieces) if number is None else number
        if self.numbered not in (None, number is not None):
            raise RefusedError("incomplete", "some pieces have a number, and some have none")
        if at >= min(PIECES_MAX, self.chunks or PIECES_MAX):
            raise RefusedError("incomplete", f"piece {at} is beyond its last one")
        if self.have >> at & 1:
            if dict(self.pieces)[at] != piece:
                raise RefusedError("incomplete", f"piece {at} came twice, with other bytes")
            return self
        if self.came + len(piece) > self.size:
            raise RefusedError("incomplete", f"more bytes than the {self.size} of its meta")
        return replace(
            self,
            pieces=(*self.pieces, (at, piece)),
            have=self.have | 1 << at,
            came=self.came + len(piece),
            numbered=number is not None,
        )

    def ended(self, device: str, why: str) -> list[Item]:
        """Return what is said when nothing more comes of it: the picture, one refusal, or nothing a second time."""
        if self.whole:
            return [PictureItem(device, self.payload, self.properties)]
        return [self.refused(device, why)] if self.size else []

    def refused(self, device: str, why: str) -> Refusal:
        """Return its refusal, with what came."""
        of = "" if self.chunks is None else f" of {self.chunks}"
        detail = f"{len(self.pieces)}{of} pieces, {self.came} of {self.size} bytes: {why}"
        return Refusal(device, "incomplete", detail, self.payload)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Pictures on their way, by device, in the order in which they began; and the bytes they take."""

    opened: Mapping[str, Opened] = field(default_factory=lambda: MappingProxyType({}))
    weight: int = 0

    def without(self, device: str) -> "Waiting":
        """Return it without a device's picture."""
        rest = dict(self.opened)
        gone = rest.pop(device, None)
        return self if gone is None else Waiting(rest, self.weight - gone.weight)

    def having(self, device: str, picture: Opened) -> "Waiting":
        """Return it with a device's picture, at the place of the one before it."""
        before = self.opened.get(device)
        weight = self.weight + picture.weight - (before.weight if before is not None else 0)
        return Waiting({**self.opened, device: picture}, weight)


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Return the codec."""
    return (ChunkedCodec(knobs, knobs.topics.get(NAME, FILTERS)),)


@dataclass(slots=True)
class ChunkedCodec:
    """Puts pieces together. Every picture that does not become whole is refused once, at the moment that is known."""

    knobs: CodecKnobs
    filters: tuple[str, ...] = FILTERS
    name: str = NAME
    kind: Literal["vehicle", "camera"] = "camera"

    def begin(self) -> Waiting:
        """Nothing is on its way."""
        return Waiting()

    def urgent(self, _message: RawMessage) -> bool:
        """Pictures carry no alarms."""
        return False

    def step(self, state: Waiting, message: RawMessage, now_ns: int) -> tuple[Waiting, list[Item]]:
        """Take a meta, a piece or a done."""
        device = device_in(self.filters, message.topic)
        items: list[Item] = []
        before = state.opened.get(device)
        if before is not None and self._late(before, now_ns):
            state, items = self._given_up(state, device, before, now_ns)
        _, _, last = message.topic.rpartition("/")
        number = digits(last) if message.topic.endswith(f"/chunk/{last}") else None
        if last == "meta":
            state, found = self._announced(state, device, message, now_ns)
        elif last == "chunk" or number is not None:
            state, found = self._piece(state, device, number, message, now_ns)
        elif last == "done":
            state, found = _done(state, device)
        else:
            found = [Refusal(device, "topic", "neither meta, chunk, chunk/NUMBER nor done")]
        return state, items + found

    def expire(self, state: Waiting, now_ns: int) -> tuple[Waiting, list[tuple[str, Item]]]:
        """Give up every picture that waits too long; returns each item with the topic it began on."""
        items: list[tuple[str, Item]] = []
        for device, picture in state.opened.items():
            if self._late(picture, now_ns):
                state, found = self._given_up(state, device, picture, now_ns)
                items += [(picture.topic, item) for item in found]
        return state, items

    def _given_up(self, state: Waiting, device: str, picture: Opened, now_ns: int) -> tuple[Waiting, list[Item]]:
        """End what waits too long. Where it is refused, what still comes of it is not refused again."""
        items, rest = picture.ended(device, f"not whole in {self.knobs.chunk_wait_s:g} s"), state.without(device)
        refused = any(isinstance(item, Refusal) for item in items)
        return rest.having(device, Opened(picture.topic, now_ns)) if refused else rest, items

    def _late(self, picture: Opened, now_ns: int) -> bool:
        return now_ns - picture.begun_ns > self.knobs.chunk_wait_s * 1e9

    def _announced(self, state: Waiting, device: str, message: RawMessage, now_ns: int) -> tuple[Waiting, list[Item]]:
        before = state.opened.get(device)
        items = before.ended(device, "another picture began") if before is not None else []
        state = state.without(device)
        try:
            picture = self._read_meta(message, now_ns)
        except RefusedError as refused:
            picture = Opened(message.topic, now_ns)
            items.append(Refusal(device, refused.reason, refused.detail))
        return self._bounded(state.having(device, picture), items)

    def _read_meta(self, message: RawMessage, now_ns: int) -> Opened:
        """Raises RefusedError ``json``, ``type``, ``range`` or ``size``."""
        try:
            meta = META.decode(message.payload)
        except UNREADABLE as fault:
            raise unread(fault) from None
        if meta.size < 1 or not 1 <= (1 if meta.chunks is None else meta.chunks) <= PIECES_MAX:
            raise RefusedError("range", f"size {meta.size}, chunks {meta.chunks}")
        if meta.size > self.knobs.chunk_max_bytes:
            raise RefusedError("size", f"{meta.size} bytes, allowed {self.knobs.chunk_max_bytes}")
        said = {name: getattr(meta, name) for name in ("ts", "seq", "boot", "preset", "sha256")}
        properties = tuple((name, str(value)) for name, value in said.items() if value is not None)
        return Opened(message.topic, now_ns, meta.size, meta.chunks, properties)

    def _piece(
        self, state: Waiting, device: str, number: int | None, message: RawMessage, now_ns: int
    ) -> tuple[Waiting, list[Item]]:
        before = state.opened.get(device)
        if before is None:
            refusal = Refusal(device, "incomplete", "a piece without a meta before it")
            return self._bounded(state.having(device, Opened(message.topic, now_ns)), [refusal])
        if not before.size:
            return state.without(device).having(device, replace(before, begun_ns=now_ns)), []
        try:
            return self._bounded(state.having(device, before.with_piece(number, message.payload)), [])
        except RefusedError as refused:
            items: list[Item] = [before.refused(device, refused.detail)]
            return state.without(device).having(device, Opened(before.topic, now_ns)), items

    def _bounded(self, state: Waiting, items: list[Item]) -> tuple[Waiting, list[Item]]:
        """Give up the oldest pictures while all of them take too much; then forget that they were given up."""
        while state.weight > self.knobs.chunk_buffer_bytes or len(state.opened) > OPEN_MAX:
            device, picture = next(iter(state.opened.items()))
            if picture.size:
                items.append(picture.refused(device, "there is no room for more incomplete pictures"))
                state = state.having(device, Opened(picture.topic, picture.begun_ns))
            else:
                state = state.without(device)
        return state, items


def _done(state: Waiting, device: str) -> tuple[Waiting, list[Item]]:
    picture = state.opened.get(device)
    if picture is None:
        return state, [Passed("done_alone")]  # sent twice, most of the time
    items = picture.ended(device, "done, but not all of it came")
    return state.without(device), items or [Passed("done_refused")]
