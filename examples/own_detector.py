"""A whole detector in forty lines: one thing per camera, where tiles of 8 x 8 px differ from the first picture."""

import json

import numpy as np

from detectors.rows import Row, detections
from schemas.detections import Detections, Phase, SceneState
from schemas.errors import UsageError


class FirstPicture:
    def __init__(self, knobs, views):  # [vision] and detector_knobs; the cameras' zones, for which it has no use
        self.dwell_ns, self.grey, self.cameras = knobs["dwell_s"] * 1e9, knobs.get("grey", 25), {}
        self.classify, self.drain = lambda crops: Detections.empty(), list  # no pieces wanted, no background to tell of
        self.forget = lambda camera: self.cameras.pop(camera, None)
        self.snapshot = lambda camera: json.dumps(self.cameras[camera]).encode() if camera in self.cameras else b""
        self.restore = lambda camera, state: self.cameras.update({camera: json.loads(state)})  # or ValueError

    def apply(self, order):
        raise UsageError("this detector takes no orders")

    def step(self, frames):
        scene, rows, waste = np.zeros(len(frames), np.uint8), [], [0.08, 0.6, 0.08, 0.08, 0.08, 0.08]
        for k, (camera, now) in enumerate(zip(frames.camera_ids, frames.captured_ns.tolist(), strict=True)):
            tall, wide = (side // 8 for side in frames.pixels[k].shape[:2])
            tiles = frames.pixels[k, : tall * 8, : wide * 8].reshape(tall, 8, wide, 8, 3).mean(axis=(1, 3, 4)).round(1)
            here = self.cameras.setdefault(camera, {"first": tiles.tolist(), "newest": 0, "since": 0, "box": None})
            scene[k] = SceneState.OK if now > here["newest"] else SceneState.LATE
            if scene[k] == SceneState.OK:
                where, px = np.argwhere(abs(tiles - here["first"]) > self.grey), frames.native_px[k] / (wide, tall)
                stood = 0 < here["since"] <= here["newest"] - self.dwell_ns
                if len(where):
                    here["box"] = [*(where.min(0)[::-1] * px), *((np.ptp(where, 0) + 1)[::-1] * px)]
                    here["since"], stood = here["since"] or now, now - (here["since"] or now) >= self.dwell_ns
                phase = (Phase.STANDING if stood else Phase.MATURING) if len(where) else Phase.GONE
                if len(where) or stood:
                    rows.append(Row(k, (t := here["since"]) // 10**6, phase, here["box"], t, (now - t) / 1e9, waste))
                here.update(newest=now, since=here["since"] if len(where) else 0)
        return detections(scene, rows)
