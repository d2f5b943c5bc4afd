"""A ledger of three and a half years: rent, small purchases, and sales with a season; and what is odd in it."""

import random
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
MONTHS = 42


def booking(day: date, amount: float, account: str, counterparty: str, text: str = "") -> Row:
    return {
        "date": day.isoformat(),
        "amount": amount,
        "account": account,
        "counterparty": counterparty,
        "text": text,
    }


def usual_rows() -> list[Row]:
    chance = random.Random(7)
    rows: list[Row] = []
    for month in range(MONTHS):
        first = date(2021 + month // 12, month % 12 + 1, 1)
        rows.append(booking(first, -1200.0, "4210", "Vermieter GmbH", f"Miete {first:%m/%Y}"))
        for _ in range(10):
            day = first + timedelta(days=chance.randint(0, 27))
            weekday = day - timedelta(days=max(day.weekday() - 4, 0))
            supplier = chance.choice(["Papier SARL", "Tinte Srl", "Stift Ltd"])
            text = f"Beleg {len(rows)}"
            rows.append(booking(weekday, round(-chance.uniform(40, 120), 2), "4930", supplier, text))
        season = 3000 if first.month in (11, 12) else 0
        last = first + timedelta(days=27)
        rows.append(booking(last, round(8000 + 50 * month + season + chance.gauss(0, 200), 2), "8400", "Kunde"))
    return rows
