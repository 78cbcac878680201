"""A shard's part in feedback: orders that wait for a camera's next frame, and what entered the backgrounds."""

import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from curbwatch.feedback import DONE, WAITS, FeedbackBook
from curbwatch.snapshots import SnapshotFolder
from detectors.base import Detector
from schemas.errors import NotShownError, UsageError
from schemas.feedback import Feedback

log = structlog.get_logger()

WAIT_S = 86_400.0  # that an order waits for the view it is about: a camera on tour shows each of its views within a day
QUIET = frozenset({"light", "shade"})  # too many to be told one by one


class Obedience:
    """Orders of one shard; called in its thread only.

    An order is carried out once: the camera's state, with the order's number in it, is on disk before the order counts
    as done, and a state that knows the number does nothing when the order comes again. One about a view that is not
    shown waits until it is, for a day at most, and does not hold up the others.
    """

    def __init__(
        self,
        detector: Detector,
        snapshots: SnapshotFolder,
        book: FeedbackBook,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._since_s: dict[int, float] = {}  # orders that wait for their view, and since when
        self._detector = detector
        self._snapshots = snapshots
        self._book = book
        self._orders: dict[str, list[Feedback]] = {}

    def take(self, orders: Iterable[Feedback]) -> None:
        """Replace what waits: every order that was not carried out yet, of cameras of other shards too."""
        self._orders = {}
        for order in orders:
            self._orders.setdefault(order.camera_id, []).append(order)
        known = {order.order_id for given in self._orders.values() for order in given}
        self._since_s = {number: since_s for number, since_s in self._since_s.items() if number in known}

    def obey(self, camera_ids: Sequence[str]) -> None:
        """Carry out what waits for these cameras, after a frame of theirs."""
        for camera_id in camera_ids:
            if camera_id in self._orders:
                self._carry_out(camera_id, self._orders.pop(camera_id))

    def listen(self) -> None:
        """Tell what entered backgrounds since the last call."""
        adoptions = self._detector.drain()
        for one in adoptions:
            tell = log.debug if one.reason in QUIET else log.info
            box = [round(side) for side in one.box_px]
            tell("background_changed", camera=one.camera_id, reason=one.reason, adoption=one.adoption_id, box_px=box)
        self._book.tell(adoptions)

    def _carry_out(self, camera_id: str, orders: list[Feedback]) -> None:
        outcomes = {order.order_id: said for order in orders if (said := self._apply(order))}
        waiting = [order for order in orders if order.order_id not in outcomes]
        if waiting:
            self._orders[camera_id] = waiting
        if not outcomes:
            return
        if not self._snapshots.keep(self._detector, camera_id, at_once=True) and self._detector.snapshot(camera_id):
            self._orders[camera_id] = orders  # the disk did not take it: a crash would undo them
            return
        for order in orders:
            if order.order_id not in outcomes:
                continue
            said = outcomes[order.order_id]
            self._since_s.pop(order.order_id, None)
            self._book.finish(order.order_id, said)
            log.info("order_carried_out", camera=camera_id, order=order.order_id, person=order.person, outcome=said)

    def _apply(self, order: Feedback) -> str:
        """What came of an order; empty: it waits for its view."""
        try:
            self._detector.apply(order)
        except NotShownError as error:
            now_s = self._monotonic_s()
            if order.order_id not in self._since_s:
                self._book.finish(order.order_id, f"{WAITS}: {error}")
            waited_s = now_s - self._since_s.setdefault(order.order_id, now_s)
            return "" if waited_s < WAIT_S else f"{error}, and was not for a day"
        except UsageError as error:
            return str(error)
        except Exception as error:
            # A defect in a detector costs this order, not the shard.
            log.exception("order_failed", camera=order.camera_id, order=order.order_id)
            return f"failed: {error}"
        return DONE
