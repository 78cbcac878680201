"""Whatever boards send in whatever order: every picture ends once, nothing is left, memory is bounded."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from config.codecs import CodecKnobs
from ingest.codecs.base import Item, Passed, PictureItem, Refusal
from ingest.codecs.chunked import ChunkedCodec, Waiting
from schemas.position import RawMessage

DEVICES = st.sampled_from(["a", "b", "c"])
KNOBS = CodecKnobs(chunk_buffer_bytes=10_000, chunk_max_bytes=10_000, chunk_wait_s=30)
BODIES = {"a": b"0123456789" * 40, "b": b"abc" * 300, "c": b"\xff\xd8\xff" + bytes(2500)}


class Boards(RuleBasedStateMachine):
    """Three boards, each sending the same body over and over, on a network that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.codec = ChunkedCodec(KNOBS)
        self.state = self.codec.begin()
        self.now_ns = 0
        self.metas: dict[str, int] = {}  # announced and sound
        self.ended: dict[str, int] = {}
        self.orphans: dict[str, int] = {}

    def _step(self, device: str, leaf: str, payload: bytes) -> None:
        before = self.state
        shown = dict(before.opened)
        message = RawMessage(f"esp32/{device}/{leaf}", payload, self.now_ns)
        self.state, items = self.codec.step(before, message, self.now_ns)
        # The state given is not changed: stepped again it says the same.
        assert before.opened == shown
        assert self.codec.step(before, message, self.now_ns) == (self.state, items)
        self._note(items)

    def _note(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, PictureItem):
                assert item.jpeg == BODIES[item.device]
                self.ended[item.device] = self.ended.get(item.device, 0) + 1
            elif isinstance(item, Refusal) and item.detail.startswith(("a piece", "Obj", "JSON", "Input")):
                self.orphans[item.device] = self.orphans.get(item.device, 0) + 1
            elif isinstance(item, Refusal):
                self.ended[item.device] = self.ended.get(item.device, 0) + 1
            else:
                assert isinstance(item, Passed)

    @rule(device=DEVICES, numbered=st.booleans(), order=st.randoms(use_true_random=False))
    def sends_a_picture(self, device: str, numbered: bool, order: object) -> None:
        body = BODIES[device]
        parts = [body[at : at + 100] for at in range(0, len(body), 100)]
        numbers = list(range(len(parts)))
        if numbered:
            order.shuffle(numbers)  # type: ignore[attr-defined]
        self.announces(device)
        for number in numbers:
            self._step(device, f"chunk/{number}" if numbered else "chunk", parts[number])
        self._step(device, "done", b"")

    @rule(device=DEVICES)
    def announces(self, device: str) -> None:
        self.metas[device] = self.metas.get(device, 0) + 1
        self._step(device, "meta", b'{"size": %d}' % len(BODIES[device]))

    @rule(device=DEVICES)
    def announces_nonsense(self, device: str) -> None:
        self._step(device, "meta", b"{")

    @rule(device=DEVICES, number=st.integers(0, 30), numbered=st.booleans())
    def sends_a_piece(self, device: str, number: int, numbered: bool) -> None:
        part = BODIES[device][number * 100 : number * 100 + 100]
        self._step(device, f"chunk/{number}" if numbered else "chunk", part)

    @rule(device=DEVICES, piece=st.binary(max_size=3000), number=st.integers(0, 20_000))
    def sends_anything(self, device: str, piece: bytes, number: int) -> None:
        if not BODIES[device].startswith(piece):
            self._step(device, f"chunk/{number}", b"!" + piece + b"!")

    @rule(device=DEVICES)
    def is_done(self, device: str) -> None:
        self._step(device, "done", b"")

    @rule(passed_s=st.integers(0, 40))
    def time_passes(self, passed_s: int) -> None:
        self.now_ns += passed_s * 1_000_000_000
        self.state, items = self.codec.expire(self.state, self.now_ns)
        self._note([item for _, item in items])

    @invariant()
    def memory_is_bounded_and_counted(self) -> None:
        assert self.state.weight == sum(picture.weight for picture in self.state.opened.values())
        assert self.state.weight <= KNOBS.chunk_buffer_bytes

    @invariant()
    def every_announced_picture_ended_once_or_is_on_its_way(self) -> None:
        for device, count in self.metas.items():
            waiting = self.state.opened.get(device)
            assert self.ended.get(device, 0) + (waiting is not None and waiting.size > 0) == count

    def teardown(self) -> None:
        for _ in range(2):  # what is given up is remembered for as long again
            self.now_ns += 31_000_000_000
            self.state, items = self.codec.expire(self.state, self.now_ns)
            self._note([item for _, item in items])
        assert self.state == Waiting({}, 0)
        assert self.ended == self.metas


TestBoards = Boards.TestCase
TestBoards.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
