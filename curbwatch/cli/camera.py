"""``curbwatch camera``: what its cameras see, what they have learned, and what a person says about it."""

import typer

from curbwatch.cli.app import app

camera_app = typer.Typer(no_args_is_help=True, help="Cameras: what they have learned, and what you say about it.")
app.add_typer(camera_app, name="camera")
