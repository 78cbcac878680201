"""The typer application; each file beside this one adds its verbs."""

import typer

app = typer.Typer(name="curbwatch", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def root() -> None:
    """Street stalls and dumped waste, from a camera's picture to a crew's job."""
