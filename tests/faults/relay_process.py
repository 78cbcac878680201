"""The one relay as a process, to be killed: addresses and the moment of its death come from its surroundings."""

import os
from threading import Event

from alerts import crash
from tests.alerts.made_desk import POLL_S, parts


def main() -> None:
    crash.arm(os.environ.get(crash.VARIABLE, ""))
    made = parts(os.environ["DESK_DATABASE"], os.environ["DESK_REDIS"])
    made.relay().run(Event(), POLL_S)


if __name__ == "__main__":
    main()
