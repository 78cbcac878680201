"""Indicators as data: named, versioned formulas, shipped in kpis.toml or the site's own file, checked as a whole."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from config.faults import Faults, nearest
from config.pack_tables import Table, document_of, from_document
from config.reading import TOML_MAX_BYTES, read_bytes, to_text
from schemas.kpi import COUNTING, COUNTS, Formula, Formulas, FormulaUnit, Score

FOLDER = Path(__file__).parent
POINTS = 100.0
# No indicator is about money: what is penalised and what is paid must not hang together (罚缴分离).
MONEY = re.compile(
    r"罚|没收|收费|费用|金额|收入|款|经费|元\b"
    r"|\b(fines?|fees?|penalt(y|ies)|money|amounts?|revenues?|income|payments?|paid|yuan|rmb|cny|confiscat\w*)\b",
    re.IGNORECASE,
)

Name = Annotated[str, Field(min_length=1, max_length=64)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Version = Annotated[int, Field(ge=1)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class KpiRow(_Row):
    """One ``[[kpi]]`` table."""

    kpi_id: Id = Field(alias="id")
    version: Version
    name_zh: Name
    name_en: Name
    numerator: str
    denominator: str
    unit: FormulaUnit
    higher_is_better: bool
    source: Annotated[str, Field(min_length=1, max_length=300)]


class ScoreRow(_Row):
    """One ``[[score]]`` table; ``weights`` are points, together 100."""

    score_id: Id = Field(alias="id")
    version: Version
    name_zh: Name
    name_en: Name
    source: Annotated[str, Field(min_length=1, max_length=300)]
    weights: dict[str, Annotated[float, Field(gt=0, le=POINTS)]] = Field(min_length=1)


def load_formulas(path: Path | None = None, counting: int = COUNTING) -> Formulas:
    """Read and check a file of indicators; None: the shipped one of a counting. Raises ConfigError with every fault."""
    shipped = FOLDER / ("kpis.toml" if counting == COUNTING else f"kpis-{counting}.toml")
    path, faults = path or shipped, Faults()
    data = read_bytes(path, TOML_MAX_BYTES, faults, path.name)
    text = None if data is None else to_text(data, faults, path.name)
    found = parse_formulas(text or "", path.name, faults) if text is not None else Formulas(())
    faults.refuse()
    return found


def parse_formulas(text: str, file: str, faults: Faults) -> Formulas:
    """Indicators of a TOML text; what is wrong is noted, and left out."""
    document = document_of(text, file, ("kpi", "score"), faults)
    kpis = from_document(document, KpiRow, file, "kpi", faults)
    scores = from_document(document, ScoreRow, file, "score", faults)
    if not kpis.rows and not len(faults):
        faults.add(file, "kpi", "", "has no indicator")
    _check_kpis(kpis, faults)
    _check_scores(scores, kpis, faults)
    return Formulas(
        tuple(Formula(**row.model_dump()) for _, row in kpis.rows),
        tuple(Score(**row.model_dump()) for _, row in scores.rows),
    )


def _check_kpis(table: Table[KpiRow], faults: Faults) -> None:
    _twice(table, faults)
    for where, row in table.rows:
        _no_money(where, row, table.file, faults)
        for key, name in (("numerator", row.numerator), ("denominator", row.denominator)):
            if name not in COUNTS:
                faults.add(table.file, f"{where}.{key}", name, "is not a count" + nearest(name, COUNTS))
        seconds = row.numerator.endswith("_s") and not row.denominator.endswith("_s")
        if seconds and row.unit == "share":
            faults.add(table.file, f"{where}.unit", row.unit, "is seconds over a number: its unit is h")
        elif not seconds and row.unit == "h":
            faults.add(table.file, f"{where}.unit", row.unit, "is no time over a number: its unit is share")


def _check_scores(table: Table[ScoreRow], kpis: Table[KpiRow], faults: Faults) -> None:
    _twice(table, faults)
    shares = {row.kpi_id for _, row in kpis.rows if row.unit == "share"}
    for where, row in table.rows:
        _no_money(where, row, table.file, faults)
        for name in row.weights:
            if name not in kpis.known:
                faults.add(table.file, f"{where}.weights", name, "is not an indicator" + nearest(name, kpis.known))
            elif name not in shares:
                faults.add(table.file, f"{where}.weights", name, "is no share: a score is made of shares")
        total = sum(row.weights.values())
        if abs(total - POINTS) > 1e-9:
            faults.add(table.file, f"{where}.weights", f"{total:g}", "is not 100 points together")


def _twice(table: Table[KpiRow] | Table[ScoreRow], faults: Faults) -> None:
    ids = [identity for _, identity in table.ids]
    for identity in sorted({one for one in ids if ids.count(one) > 1}):
        faults.add(table.file, "id", identity, "is there twice")


def _no_money(where: str, row: KpiRow | ScoreRow, file: str, faults: Faults) -> None:
    for key in ("kpi_id", "score_id", "name_zh", "name_en", "source", "numerator", "denominator"):
        found = MONEY.search(str(getattr(row, key, "")).replace("_", " "))
        if found:
            message = f"speaks of money ({found[0]}): no indicator does (罚缴分离)"
            faults.add(file, f"{where}.{key}", str(getattr(row, key)), message)
