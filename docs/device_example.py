"""A vehicle that loses nothing: positions come as lines of JSON, such as ``{"lon": 104.6427, "lat": 30.1218}``.

gps-daemon | python docs/device_example.py mqtts://broker.example.org yanjiang car-1 /var/lib/car /etc/car/password
"""

import asyncio
import json
import sys
from pathlib import Path

from curbwatch.device import Broker, Device, DiskOutbox, TopicScheme
from schemas.errors import CurbwatchError, UsageError


async def main(url: str, site: str, device_id: str, folder: str, password_file: str) -> None:
    """Keep each position on disk, send it, and leave when the intake has all of them, or after a minute."""
    password = await asyncio.to_thread(Path(password_file).read_text)
    broker = Broker(url, device_id, password.strip())
    outbox = DiskOutbox(folder, max_bytes=16_000_000)
    async with Device(broker, TopicScheme("city/v1", site), "vehicle", device_id, outbox=outbox) as device:
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                await device.position(**json.loads(line))  # on disk when this returns
            except (ValueError, TypeError, UsageError) as error:  # no JSON, no position, or one no intake would take
                sys.stderr.write(f"skipped {line.strip()[:80]!r}: {error}\n")
        if not await device.settled(60):
            sys.stderr.write(f"{device.unacknowledged} positions wait for the next start: {device.trouble}\n")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit("usage: device_example.py URL SITE DEVICE_ID FOLDER PASSWORD_FILE <positions.jsonl")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (CurbwatchError, OSError) as error:
        sys.exit(f"device_example.py: {error}")
