"""``curbwatch calibrate CAMERA|PICTURE``: two points and a known length give metres per pixel by row."""

import json
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from alerts.messages import Lang
from config.load import load_config
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.output import escaped, refuse_unwritable
from curbwatch.cli.table import table
from curbwatch.database import Connection
from curbwatch.office import open_office
from curbwatch.tuning.calibrate import Fit, Length, Point, fit
from curbwatch.tuning.calibrate_ruler import Reach, draw, reaches
from curbwatch.tuning.calibrate_target import Target, of_camera, of_path, save
from curbwatch.tuning.strip import write_png
from schemas.errors import UsageError
from schemas.place import Calibration

TARGET = typer.Argument(metavar="CAMERA|PICTURE", help="A camera's id, a picture, or a recording's folder.")
PICTURES = frozenset({".jpg", ".jpeg", ".png"})  # a name that ends so was meant as a file
WORDS: dict[str, tuple[str, str]] = {
    "horizon": ("地平线在第 {0:.1f} 行", "horizon at row {0:.1f}"),
    "error": ("(点偏 2 像素时,误差 ±{0:.0f} 行)", " (± {0:.0f} rows where each point is 2 px off)"),
    "given": (",由 --horizon 给出", ", as given"),
    "stored": (",取自登记的标定", ", taken from the camera's stored calibration"),
    "length": (
        "长度 {0}:{1:g} 米,拟合 {2:.2f} 米,误差 {3:+.1%}",
        "length {0}: {1:g} m, fitted {2:.2f} m, off by {3:+.1%}",
    ),
    "doubtful": (" 请检查", " check its points"),
    "one": ("只有一个长度,没有可比的误差", "one length only: nothing to compare it with"),
    "needs": (
        "# 还缺 {0}:画面底边中点的经纬度和朝向",
        "# still to be given: {0} (ground point at the picture's bottom centre, and where it looks)",
    ),
    "saved": ("已写入登记:{0}", "written into the registry: {0}"),
    "pack": (
        "此摄像头来自城市包:下次启动会重读,请把以上数值也写入 cameras.toml",
        "the city pack, read again at each start, names this camera: put these values into its cameras.toml too",
    ),
    "unseen": ("1 米的堆放物看不见", "a 1 m heap is below 18 grid px: not seen"),
    "unclassed": ("1 米的堆放物太小,无法分类", "a 1 m heap is seen but too small to be classed: no alert"),
    "doubtful_zone": ("1 米的堆放物会漏掉一部分", "some 1 m heaps are missed (below 14 grid px)"),
    "fine": ("", ""),
    "above": ("整个区域在地平线以上", "all of it lies above the horizon"),
}
HEADS: tuple[tuple[str, str], ...] = (
    ("区域", "ZONE"),
    ("最远行", "FARTHEST ROW"),
    ("像素/米", "PX PER M"),
    ("网格像素/米", "GRID PX PER M"),
    ("最小可见(米)", "SMALLEST M"),
    ("", ""),
)


@dataclass(frozen=True, slots=True)
class Where:
    """Ground point at the picture's bottom centre, and where the camera looks; None: not given."""

    lon: float | None
    lat: float | None
    bearing_deg: float | None


@app.command("calibrate")
def calibrate_view(  # noqa: PLR0913  # one argument per option of the command line
    target: Annotated[str, TARGET],
    *,
    points: Annotated[list[str], typer.Option("--point", metavar="X,Y", help="Two for each length, px.")],
    metres: Annotated[list[float], typer.Option("--length-m", help="How far apart they are, one for two points.")],
    upright: Annotated[
        list[int] | None, typer.Option(metavar="N", help="The N-th length stands upright (a person, a post).")
    ] = None,
    horizon: Annotated[float | None, typer.Option(help="Row of the horizon, where it is known.")] = None,
    focal_px: Annotated[float | None, typer.Option(help="Focal length, px; default: the picture's width.")] = None,
    lon: Annotated[float | None, typer.Option(min=-180, max=180, help="Of the picture's bottom centre.")] = None,
    lat: Annotated[float | None, typer.Option(min=-90, max=90, help="Of the picture's bottom centre.")] = None,
    bearing: Annotated[float | None, typer.Option(min=0, max=359.999, help="Where it looks, from north.")] = None,
    picture: Annotated[Path | None, typer.Option(help="A picture of the camera; default: its newest evidence.")] = None,
    ruler: Annotated[Path | None, typer.Option(help="Write the frame with a ruler drawn on it, PNG.")] = None,
    save_it: Annotated[bool, typer.Option("--save", help="Write the result into the registry.")] = False,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Fit the ground scale of a view from known lengths; say what it can show, draw a ruler, and store it."""
    refuse_unwritable(ruler=ruler)
    lengths = _lengths(points, metres, upright or [])
    tongue = lang or load_config(config).site.lang
    path = Path(target)
    if path.exists():
        if save_it:
            raise UsageError(f"--save: {target} is a picture; name the camera, and this with --picture")
        _work(
            of_path(path), lengths, _Options(horizon, focal_px, Where(lon, lat, bearing), ruler, as_json, tongue), None
        )
        return
    if "/" in target or path.suffix.lower() in PICTURES:
        raise UsageError(f"{target}: there is no such file")
    with open_office(config) as office:
        found = of_camera(office.conn, target, office.site.evidence_dir, picture)
        options = _Options(horizon, focal_px, Where(lon, lat, bearing), ruler, as_json, tongue)
        _work(found, lengths, options, office.conn if save_it else None)


@dataclass(frozen=True, slots=True)
class _Options:
    horizon: float | None
    focal_px: float | None
    where: Where
    ruler: Path | None
    as_json: bool
    lang: Lang


def _work(target: Target, lengths: list[Length], options: _Options, conn: Connection | None) -> None:
    """Fit, tell, draw, and, with a connection, store."""
    _inside(lengths, target.size)
    horizon, origin = options.horizon, "given"
    if horizon is None and len(lengths) == 1 and target.calibration is not None:
        horizon, origin = target.calibration.horizon_row, "stored"
    found = fit(lengths, target.size, horizon_row=horizon, focal_px=options.focal_px)
    seen = reaches(found, target.zones, target.size)
    values, missing = _values(found, target, options.where)
    if options.ruler is not None:
        write_png(options.ruler, draw(target.pixels, found, target.zones, lengths), "--ruler")
    if options.as_json:
        told = {"name": target.name, "calibration": values, "missing": missing, "residuals": found.residuals}
        typer.echo(json.dumps(told | {"zones": [asdict(one) for one in seen]}, ensure_ascii=False))
    else:
        how = "" if horizon is None else origin
        for line in _lines(found, lengths, seen, how, options.lang) + _toml(values, missing, options.lang):
            typer.echo(escaped(line))
    if conn is not None:
        if missing:
            raise UsageError(f"--save: {', '.join(f'--{name}' for name in missing)} is not known yet")
        save(conn, target.name, Calibration(**values))
        if not options.as_json:
            typer.echo(_say("saved", options.lang, target.name))
            if target.source == "pack":
                typer.echo(_say("pack", options.lang))


def _lengths(points: list[str], metres: list[float], upright: list[int]) -> list[Length]:
    """Pair points and lengths in their order. Raises UsageError where they do not pair."""
    if len(points) != 2 * len(metres):
        raise UsageError(f"{len(points)} points and {len(metres)} lengths: two --point for each --length-m")
    for number in upright:
        if not 1 <= number <= len(metres):
            raise UsageError(f"--upright {number}: there are lengths 1 to {len(metres)}")
    found = [_point(text) for text in points]
    return [Length(found[2 * k], found[2 * k + 1], length, upright=k + 1 in upright) for k, length in enumerate(metres)]


def _point(text: str) -> Point:
    try:
        x, y = (float(side) for side in text.split(","))
    except ValueError:
        raise UsageError(f"--point {text}: a point is x,y in px of the picture") from None
    if not (isfinite(x) and isfinite(y)):
        raise UsageError(f"--point {text}: a point is x,y in px of the picture")
    return x, y


def _inside(lengths: list[Length], size: tuple[int, int]) -> None:
    for length in lengths:
        for x, y in (length.one, length.other):
            if not (0 <= x <= size[0] and 0 <= y <= size[1]):
                raise UsageError(f"--point {x:g},{y:g}: outside the picture of {size[0]}x{size[1]} px")


def _values(found: Fit, target: Target, where: Where) -> tuple[dict[str, float], list[str]]:
    """The registry's values as far as they are known, and the names of the others."""
    old = target.calibration
    known: dict[str, float | None] = {
        "horizon_row": round(found.horizon_row, 2),
        "px_per_m_slope": round(found.slope, 6),
        "lon": old.lon if where.lon is None and old else where.lon,
        "lat": old.lat if where.lat is None and old else where.lat,
        "bearing_deg": old.bearing_deg if where.bearing_deg is None and old else where.bearing_deg,
        "height_m": round(found.height_m, 2),
    }
    values = {name: value for name, value in known.items() if value is not None}
    return values, [name.removesuffix("_deg") for name, value in known.items() if value is None]


def _lines(found: Fit, lengths: list[Length], seen: list[Reach], how: str, lang: Lang) -> list[str]:
    error = _say("error", lang, found.horizon_error) if not how else _say(how, lang)
    lines = [_say("horizon", lang, found.horizon_row) + error]
    if len(lengths) == 1:
        lines.append(_say("one", lang))
    else:
        for k, (length, share) in enumerate(zip(lengths, found.residuals, strict=True)):
            told = _say("length", lang, k + 1, length.metres, length.metres * (1 + share), share)
            lines.append(told + (_say("doubtful", lang) if k in found.doubtful else ""))
    rows = [
        (
            one.zone,
            "-" if one.row is None else f"{one.row:.0f}",
            f"{one.px_per_m:.1f}",
            f"{one.grid_px_per_m:.1f}",
            f"{one.smallest_m:.2f}",
            _say("above", lang) if one.row is None else _say(_remark(one.limit), lang),
        )
        for one in seen
    ]
    return [*lines, "", *table([head[lang == "en"] for head in HEADS], rows, lang), ""]


def _remark(limit: str) -> str:
    return "doubtful_zone" if limit == "doubtful" else limit


def _toml(values: dict[str, float], missing: list[str], lang: Lang) -> list[str]:
    lines = ["[camera.calibration]", *(f"{name} = {value!r}" for name, value in values.items())]
    return [*lines, _say("needs", lang, ", ".join(missing))] if missing else lines


def _say(key: str, lang: Lang, *values: object) -> str:
    return WORDS[key][lang == "en"].format(*values)
