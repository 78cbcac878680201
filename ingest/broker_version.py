"""Which brokers keep MQTT flow control, by what they say of themselves. Pure."""

import re

# 2.0.11 (Debian 12) releases up to a whole new window with each acknowledgement; 2.0.21 keeps it exactly.
MOSQUITTO_MIN = (2, 0, 21)


def trustworthy(version: str) -> bool:
    """Whether a broker that calls itself so may be promised with: Mosquitto >= 2.0.21, and any other kind.

    ``version`` is the text of ``$SYS/broker/version``.
    """
    found = re.fullmatch(r"mosquitto version (\d+)\.(\d+)\.(\d+).*", version.strip())
    return found is None or tuple(int(part) for part in found.groups()) >= MOSQUITTO_MIN
