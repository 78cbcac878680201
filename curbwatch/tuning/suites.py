"""The suites by name: what each is made of, and how its recordings are had."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from curbwatch.tuning import composite, synthetic
from curbwatch.tuning.recording import Recording
from schemas.errors import UsageError

COMPOSITES = ("composite", "composite-full")
NAMES = (*synthetic.SETS, *COMPOSITES)

Tick = Callable[[], None]
Opener = Callable[[Tick], AbstractContextManager[Recording]]


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of a suite.

    Attributes:
        name: of the recording.
        frames: how many it has.
        open: builds or finds it, calling its argument for each frame that it draws; its files last as long as the
            block.
    """

    name: str
    frames: int
    open: Opener


def items(suite: str, data: Path | None) -> list[Item]:
    """What a suite is made of, the same each time. ``data`` is the data folder that composites are made from.

    Raises UsageError for an unknown name, or where the data folder is missing or lacks what is needed.
    """
    if suite in synthetic.SETS:
        return [Item(street.name, street.frames, partial(_synthetic, street)) for street in synthetic.SETS[suite]]
    if suite not in COMPOSITES:
        raise UsageError(f"--suite {suite}: there are {', '.join(NAMES)}")
    if data is None:
        raise UsageError(f"--suite {suite}: needs the data folder: name it with --data DIR")
    maker = composite.Maker(data)
    found = composite.composites(data, full=suite == "composite-full")
    return [Item(one.name, one.frames, partial(_composite, maker, one)) for one in found]


def data_folder(paths: list[Path]) -> Path | None:
    """The first of ``paths`` that is a data folder; None where none is."""
    return next((path for path in paths if (path / composite.PHOTOGRAPHS).is_dir()), None)


def _synthetic(street: synthetic.Street, tick: Tick) -> AbstractContextManager[Recording]:
    return synthetic.kept(street, tick)


@contextmanager
def _composite(maker: composite.Maker, one: composite.Composite, tick: Tick) -> Iterator[Recording]:
    with TemporaryDirectory(prefix="curbwatch-composite-") as folder:
        yield maker.make(one, Path(folder) / one.name, tick)
