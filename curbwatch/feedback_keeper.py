"""Carries people's orders to the shards, and writes down what those tell of the cameras' backgrounds."""

import threading
from collections.abc import Callable

import structlog

import curbwatch.database as db
from curbwatch import feedback
from curbwatch.feedback import CHANNEL, FeedbackBook
from schemas.errors import SinkError
from schemas.feedback import Feedback
from schemas.meter import Meter

log = structlog.get_logger()

POLL_S = 0.5  # between two looks at the book
AGAIN_S = 1.0  # between two tries of a database that is away


class FeedbackKeeper:
    """One thread that listens for orders, and sweeps the shards' book. Nothing is lost while the database is away.

    ``on_orders(orders)`` is called there with every order that was not carried out yet, in order; each may come again.
    """

    def __init__(self, url: str, book: FeedbackBook, meter: Meter, on_orders: Callable[[list[Feedback]], None]) -> None:
        self._url = url
        self._database = db.Lasting(url)
        self._book = book
        self._meter = meter
        self._on_orders = on_orders
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feedback-keeper", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still carries orders."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Write down what was told last, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
            try:
                self.keep()
            except SinkError as error:
                log.warning("feedback_lost", error=str(error), effect="adoptions of the last moment are not listed")
        self._database.close()

    def keep(self) -> None:
        """Write down what the shards told. Raises SinkError where the database does not take it; it is kept then."""
        adoptions, outcomes, dropped = self._book.sweep()
        if dropped:
            self._meter.add("adoptions_dropped", dropped)
        if not adoptions and not outcomes:
            return
        with self._database.connection() as conn:
            feedback.keep(conn, adoptions, outcomes)
        self._book.written(adoptions, outcomes)

    def _run(self) -> None:
        unheard = False
        while not self._stopping.is_set():
            try:
                for noticed in db.notices(self._url, CHANNEL, poll_s=POLL_S):
                    if unheard:
                        log.info("orders_heard_again")
                        unheard = False
                    if self._stopping.is_set():
                        return
                    self.keep()
                    if noticed:
                        self._read()
            except SinkError as error:
                if not unheard:
                    log.warning("orders_unheard", error=str(error), effect="they are carried out when it is back")
                    unheard = True
                self._stopping.wait(AGAIN_S)

    def _read(self) -> None:
        with self._database.connection() as conn:
            orders = feedback.waiting(conn)
        known = self._book.finished()
        self._on_orders([order for order in orders if order.order_id not in known])
