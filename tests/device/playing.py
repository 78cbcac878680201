"""A vehicle as a process of its own: says each position that it keeps, until it is killed or has said enough.

``python -m tests.device.playing URL SITE ID FOLDER COUNT``, the password on stdin; a line per position: boot and seq.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from curbwatch.device import Broker, Device, DiskOutbox, Habits, TopicScheme

SETTLE_S = 60.0
HABITS = Habits(connect_s=2.0, reconnect_max_s=0.5, resend_s=1.0, resend_max_s=2.0)


async def play(broker: Broker, scheme: TopicScheme, device_id: str, folder: Path, count: int) -> int:
    outbox = DiskOutbox(folder)
    async with Device(broker, scheme, "vehicle", device_id, outbox=outbox, habits=HABITS) as device:
        for number in range(count):
            seq = await device.position(lon=104.6 + number / 10_000, lat=30.1)
            sys.stdout.write(f"{device.boot} {seq}\n")
            sys.stdout.flush()
        return 0 if await device.settled(SETTLE_S) else 1


if __name__ == "__main__":
    url, site, name, folder_name, wanted = sys.argv[1:]
    login = Broker(url, "devices", sys.stdin.readline().strip())
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(play(login, TopicScheme("city/v1", site), name, Path(folder_name), int(wanted))))
