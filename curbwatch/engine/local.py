"""The engine of one machine: each shard is a thread with a bounded queue in front of it."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import structlog

from curbwatch.engine.base import ShardLike
from ingest.delivery import Delivery, Outcome
from schemas.frame import Frame

log = structlog.get_logger()


S = TypeVar("S", bound=ShardLike)


class LocalEngine(Generic[S]):
    """Runs ``shards`` in threads of this process. Implements ``curbwatch.engine.base.Engine``.

    A camera always goes to the same shard (crc32 of its id), so its frames keep their order. At most
    ``batch_max`` frames go to a shard in one call and at most ``waiting_max`` wait in front of it.
    """

    def __init__(self, shards: Sequence[S], *, batch_max: int = 16, waiting_max: int = 64) -> None:
        self._shards = list(shards)
        self._batch_max = batch_max
        self._queues: list[asyncio.Queue[Delivery[Frame] | None]] = [asyncio.Queue(waiting_max) for _ in self._shards]
        self._pools = [
            ThreadPoolExecutor(1, thread_name_prefix=f"shard-{index}") for index, _ in enumerate(self._shards)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    async def start(self) -> None:
        """Start one task per shard."""
        self._open = True
        self._tasks = [
            asyncio.create_task(self._serve(index), name=f"shard-{index}") for index, _ in enumerate(self._shards)
        ]

    async def submit(self, key: str, deliveries: list[Delivery[Frame]]) -> None:
        """Queue deliveries of camera ``key``; waits while its shard is full."""
        if not self._open:
            raise RuntimeError("engine is not running")
        waiting = self._queues[zlib.crc32(key.encode()) % len(self._queues)]
        for delivery in deliveries:
            await waiting.put(delivery)

    async def each(self, action: Callable[[S], None]) -> None:
        """Run ``action`` once in each shard's own thread, between two batches."""
        loop = asyncio.get_running_loop()
        for shard, pool in zip(self._shards, self._pools, strict=True):
            await loop.run_in_executor(pool, action, shard)

    async def drain(self) -> None:
        """Finish what was submitted, let each shard keep its state, stop the threads."""
        self._open = False
        for waiting in self._queues:
            await waiting.put(None)
        await asyncio.gather(*self._tasks)
        await self.each(lambda shard: shard.close())
        for pool in self._pools:
            pool.shutdown()

    async def _serve(self, index: int) -> None:
        waiting, shard, pool = self._queues[index], self._shards[index], self._pools[index]
        loop = asyncio.get_running_loop()
        last = False
        while not last:
            batch = [await waiting.get()]
            while len(batch) < self._batch_max and not waiting.empty():
                batch.append(waiting.get_nowait())
            last = None in batch
            deliveries = [delivery for delivery in batch if delivery is not None]
            try:
                await loop.run_in_executor(pool, shard.handle, deliveries)
            except Exception:
                # A defect in a detector costs this batch and is counted; the next batch passes.
                log.exception("shard_failed", cameras=[delivery.payload.camera_id for delivery in deliveries])
                for delivery in deliveries:
                    if not delivery.settled:
                        delivery.settle(Outcome.REJECT, "failed")
