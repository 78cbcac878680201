"""What a stored position is flagged with: bits of ``position.flags``, numbers never reused. Nothing is repaired."""

NO_TIME = 1  # the device sent no time, the receive time counts; outside the no-duplicate promise
QOS0 = 2  # sent without acknowledgement
NULL_ISLAND = 4  # 0 degrees, 0 degrees, which is what a receiver without a fix says
NO_FIX = 8  # a position from no satellite, or which the device itself calls invalid
SWAPPED = 16  # longitude and latitude look exchanged: within the city only then
OUTSIDE = 32  # outside the city's box
JUMP = 64  # faster than a vehicle can be since its last position
FROZEN = 128  # exactly where it has been for longer than a parked receiver's noise allows
ROLLOVER = 256  # 1024 weeks behind: the receiver's week counter began again
OUT_OF_ORDER = 512  # older than a position of the device that was stored before
CONFLICT = 1024  # another place at the same time
AHEAD = 2048  # the device's clock is ahead of ours, within what is accepted
OFFSET = 4096  # the device's track lies beside itself by a constant, as with a wrong coordinate system
LATE = 8192  # stored although its time cannot be used: it is an emergency
NEW_BOOT = 16384  # first position since the device started anew

NAMES = {
    NO_TIME: "no_time",
    QOS0: "qos0",
    NULL_ISLAND: "null_island",
    NO_FIX: "no_fix",
    SWAPPED: "swapped",
    OUTSIDE: "outside",
    JUMP: "jump",
    FROZEN: "frozen",
    ROLLOVER: "rollover",
    OUT_OF_ORDER: "out_of_order",
    CONFLICT: "conflict",
    AHEAD: "ahead",
    OFFSET: "offset",
    LATE: "late",
    NEW_BOOT: "new_boot",
}
