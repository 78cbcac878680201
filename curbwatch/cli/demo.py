"""``curbwatch demo``: everything together, on real servers."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from alerts.incidents.evidence import EvidenceFolder
from curbwatch.cli.app import app
from curbwatch.cli.output import write_json
from curbwatch.demo.hold import held
from curbwatch.demo.pictures import write_pictures
from curbwatch.demo.play import Demo, Played, now, to_stderr
from curbwatch.demo.report import DUE_DWELLS, KINDS, Findings, balanced, judge, missing, permitted, summary, truth_told
from curbwatch.demo.setting import DWELL_S, PERMIT, Setting, make_setting
from curbwatch.demo.timelines import farthest, way_json, way_lines
from curbwatch.parts import up
from curbwatch.simulate.demo import demo_city
from curbwatch.telemetry import configure_logs
from schemas.errors import CurbwatchError, UsageError


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="From ready to the end.")] = 90.0,
    seed: Annotated[int, typer.Option(min=0, help="Another city.")] = 11,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the summary to this file.")] = None,
) -> None:
    """Start the servers, a simulated city, the pipeline and crews; show a live board; end with a summary.

    The dwell is 20 s here (90 s by default), and a thing has left after 8 s (30 s), so that a first job comes within
    45 s and a case is closed within a minute. Pictures of each incident's evidence are written to the folder that the
    summary names.
    """
    if json_path is not None and not json_path.absolute().parent.is_dir():
        raise UsageError(f"--json {json_path}: there is no such folder")
    began_s = time.monotonic()
    with held() as leave:
        setting = make_setting(up(progress=to_stderr), now())
        configure_logs(setting.site.config.log)
        to_stderr(f"servers ready after {time.monotonic() - began_s:.1f} s")
        city = demo_city(setting.site.pack, seed)
        played = Demo(setting, city, seconds, to_stderr, leave).run()
    pictures = setting.folder / "pictures"
    write_pictures(played.incidents, EvidenceFolder(setting.site.evidence_dir), pictures)
    result = summary(played.telemetry, played.incidents, played.jobs, played.latency_ms, str(pictures), played.sent)
    findings = judge(city.truth, played.incidents, seconds=played.seconds, dwell_s=DWELL_S)
    result["city"] = _city(findings)
    result["permit"] = permitted(city.truth, played.telemetry, played.seconds)
    result["seconds"] = round(played.seconds, 1)
    result["first_job_s"] = None if played.first_job_s is None else round(played.first_job_s, 1)
    ways = {kind: way for kind in KINDS if (way := farthest(played.ways, kind)) is not None}
    result["timelines"] = {kind: way_json(way) for kind, way in ways.items()}
    for line in _told(result, findings, played, setting):
        typer.echo(line)
    names = {name: camera.name for name, camera in setting.site.pack.cameras.items()}
    for way in ways.values():
        typer.echo("")
        for line in way_lines(setting.site.pack.city, names, way):
            typer.echo(line)
    write_json(json_path, result)
    if not balanced(result):
        raise CurbwatchError("the counters do not balance: this is a defect, please report it with the summary above")
    if gaps := missing(result):
        listed = " and ".join(f"{gap} {name}" for name, gap in gaps.items())
        raise CurbwatchError(f"{listed} were sent and did not arrive: is this machine too busy to keep up?")


def _city(findings: Findings) -> dict[str, int]:
    return {
        "found": len(findings.found),
        "missed": len(findings.missed),
        "too_young": len(findings.young),
        "wrong_kind": len(findings.wrong_kind),
        "alarms_without_cause": len(findings.alarms),
    }


def _told(result: dict[str, Any], findings: Findings, played: Played, setting: Setting) -> list[str]:
    sent, frames, positions, latency = (result[name] for name in ("sent", "frames", "positions", "latency_ms"))
    kinds = result["incidents"]["by_kind"]
    first = "none" if played.first_job_s is None else f"after {played.first_job_s:.0f} s"
    told = {
        "frames": f"{sent['frames']} sent; {frames['received']} received = {frames['processed']} processed"
        f" + {frames['shed']} shed + {frames['rejected']} rejected",
        "positions": f"{sent['positions']} sent; {positions['received']} received = {positions['stored']} stored"
        f" + {positions['duplicate']} known + {positions['rejected']} rejected",
        "incidents": f"{result['incidents']['opened']} opened ({kinds['stall']} stalls, {kinds['waste']} waste),"
        f" {result['incidents']['closed']} closed",
        "dispatch": f"{result['dispatch']['queued']} queued, {result['dispatch']['taken']} taken by crews;"
        f" first job {first}",
        "latency": "no job was queued"
        if latency["p50"] is None
        else f"frame published to queue: p50 {latency['p50']} ms, p99 {latency['p99']} ms",
        "permit": f"{result['permit']['stood']} stall in plain sight under {PERMIT.name}:"
        f" seen in {result['permit']['seen']} frames, no alert",
        "the truth": truth_told(findings, stood_s=DUE_DWELLS * DWELL_S),
    }
    lines = [f"Demo of {played.seconds:.0f} s (dwell {DWELL_S:.0f} s; the default configuration waits 90 s)"]
    lines += [f"  {name:<10} {text}" for name, text in told.items()]
    lines += [f"  missed     {event.kind} ({event.label}) at {event.camera_id}" for event in findings.missed]
    lines += [f"  alarm      {row.family} at {row.camera_id}, box {row.box_px}" for row in findings.alarms]
    lines.append(f"  pictures   {setting.folder / 'pictures'}")
    return lines
