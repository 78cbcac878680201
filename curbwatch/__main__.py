"""Entry point: one typer application, errors end as one clean line and an exit code."""

import sys

from curbwatch.cli.app import app
from schemas.errors import CurbwatchError


def main() -> None:
    """Run the command line."""
    try:
        app()
    except CurbwatchError as error:
        sys.stderr.write(f"curbwatch: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
