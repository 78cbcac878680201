"""The typer application; each file beside this one adds its verbs."""

import typer

app = typer.Typer(name="curbwatch", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
