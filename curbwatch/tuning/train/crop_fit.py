"""Fits the crop classifier with torch, averages its weights, and writes it as ONNX; the only file that imports torch.

Torch and onnx are needed for this alone: ``pip install curbwatch[train]``.
"""

import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from curbwatch.tuning.train.collect import ANY_OTHER
from detectors.vision.crops import INPUT_PX, KIND_CLASS, KINDS, MEAN, SCALE
from schemas.detections import CLASSES

# Output channels and stride of each 3 x 3 layer; 0.24 million parameters in all.
LAYERS = ((16, 2), (48, 2), (80, 2), (112, 2), (112, 1))
BATCH = 128
EVEN = 0.03  # label smoothing
KEPT = 0.995  # weight of the older values in the average of the weights, once it is warm
DROPPED = 0.15  # of the features before the last layer
EVENTS = ("stall", "waste")

Draw = Callable[[int], tuple[NDArray[np.uint8], NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class CropPlan:
    """How long is fitted: samples in all, greatest step size, seed."""

    samples: int = 400_000
    rate: float = 4e-3
    seed: int = 5


def network() -> nn.Module:
    """A fresh network, (N, 3, 64, 64) float32 scaled pixels to (N, len(KINDS)) scores."""
    layers: list[nn.Module] = []
    before = 3
    for channels, stride in LAYERS:
        layers += [
            nn.Conv2d(before, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        before = channels
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(DROPPED), nn.Linear(before, len(KINDS))
    )


def scaled(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) uint8 BGR as the (N, 3, H, W) float32 that the network takes."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return (tensor.float() - MEAN) * SCALE


def fit(draw: Draw, plan: CropPlan) -> nn.Module:
    """Fit to what ``draw`` gives; the same samples, plan and torch give the same network on one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    model = network().to(memory_format=torch.channels_last)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    steps = plan.samples // BATCH
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.rate, weight_decay=0.02)
    course = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps, pct_start=0.15)
    started_s, sums = time.perf_counter(), 0.0
    for step in range(steps):
        pictures, kinds = draw(BATCH)
        window = scaled(pictures).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(window)
        value = loss(scores.float(), torch.from_numpy(kinds))
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        course.step()
        kept = min(KEPT, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, now in model.state_dict().items():
                if now.dtype.is_floating_point:
                    average[name].lerp_(now, 1 - kept)
                else:
                    average[name].copy_(now)
        sums += float(value.detach())
        if (step + 1) % 200 == 0:
            spent_s = time.perf_counter() - started_s
            sys.stdout.write(f"step {step + 1} of {steps}: loss {sums / 200:.4f}, {spent_s:.0f} s\n")
            sys.stdout.flush()
            sums = 0.0
    model.load_state_dict(average)
    return model.eval()


def loss(scores: Tensor, kinds: Tensor) -> Tensor:
    """Cross-entropy with even smoothing; what is known only to be no event may be any kind that is none."""
    logs = torch.log_softmax(scores, dim=1)
    any_other = kinds == ANY_OTHER
    none = [k for k, folded in enumerate(KIND_CLASS) if CLASSES[folded] not in EVENTS]
    vague = -torch.logsumexp(logs[:, none], dim=1)
    exact = -logs.gather(1, kinds.clamp(min=0)[:, None])[:, 0]
    each = (1 - EVEN) * torch.where(any_other, vague, exact) - EVEN * logs.mean(dim=1)
    return each.mean()


def as_onnx(model: nn.Module) -> bytes:
    """The network as an ONNX file, batch norms folded into the layers before them."""
    buffer = io.BytesIO()
    torch.onnx.export(
        _folded(model),
        (torch.zeros(1, 3, INPUT_PX, INPUT_PX),),
        buffer,
        input_names=["window"],
        output_names=["scores"],
        opset_version=13,
        dynamo=False,
    )
    return buffer.getvalue()


def by_onnxruntime(network: bytes, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, len(KINDS)) scores of windows as onnxruntime computes them: what OpenCV's must agree with."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    scores = [session.run(None, {"window": scaled(one[None]).numpy()})[0][0] for one in pictures]
    return np.asarray(scores, np.float32)


def _folded(model: nn.Module) -> nn.Module:
    layers: list[nn.Module] = []
    for layer in model:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = torch.nn.utils.fusion.fuse_conv_bn_eval(layers[-1], layer)
        elif not isinstance(layer, nn.Dropout):
            layers.append(layer)
    return nn.Sequential(*layers).eval()
