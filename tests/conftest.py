"""Loads the fixture files, nothing else."""

pytest_plugins = [
    "tests.fix_decoder",
    "tests.fix_deep",
    "tests.fix_faults",
    "tests.fix_servers",
    "tests.fix_desk",
    "tests.fix_service",
    "tests.fix_verbs",
]
