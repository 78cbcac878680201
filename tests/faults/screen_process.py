"""A crew's terminal as a process, to be killed: it shows a job by a line in its file, and none that stands there."""

import os
from pathlib import Path
from threading import Event

from alerts import crash
from tests.alerts.made_desk import parts
from tests.faults.screens import Screen


def main() -> None:
    crash.arm(os.environ.get(crash.VARIABLE, ""))
    made = parts(os.environ["DESK_DATABASE"], os.environ["DESK_REDIS"], claim_idle_s=0.5)
    file = Path(os.environ["DESK_SCREEN"])
    screen = Screen(file.stem, made, file, resend_s=0.2)
    screen.run(Event())  # until it is killed


if __name__ == "__main__":
    main()
