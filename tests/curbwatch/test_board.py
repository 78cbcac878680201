from rich.console import Console

from curbwatch.console.board import BoardState, IncidentLine, render


def drawn(state: BoardState) -> str:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(render(state))
    return captured.get()


def test_an_empty_board_can_be_drawn() -> None:
    assert "Incidents" in drawn(BoardState(0.0, None))


def test_the_board_shows_counts_rates_and_incidents() -> None:
    line = IncidentLine("11:02:13", "yj-cam-01", "暴露垃圾", "waste", "dispatched", "环卫一所")
    text = drawn(
        BoardState(
            12.0,
            90.0,
            frames={"received": 70},
            rates={"frames": 6.0},
            cameras={"yj-cam-01": "ok"},
            incidents=(line,),
            evidence_dir="/srv/evidence",
            note="dwell 20 s",
        )
    )
    for wanted in ("12 / 90 s", "received", "70", "6/s", "暴露垃圾", "环卫一所", "/srv/evidence", "dwell 20 s"):
        assert wanted in text
