"""Loads the fixture files, and what must be said before OpenCV opens its first video."""

import os

# Read once, when the first video is opened or written, whichever test that is.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

pytest_plugins = [
    "tests.fix_decoder",
    "tests.fix_deep",
    "tests.fix_faults",
    "tests.fix_servers",
    "tests.fix_desk",
    "tests.fix_service",
    "tests.fix_verbs",
]
