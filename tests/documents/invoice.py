"""Invoices as data: made-up parties with right check digits, lines, and the sums that follow from them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from stdnum import iban as stdnum_iban
from stdnum.eu import vat as eu_vat
from stdnum.gb import vat as british_vat

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Party:
    name: str
    street: str
    postcode: str
    city: str
    country: str
    vat: str


@dataclass(frozen=True)
class Line:
    description: str
    quantity: int
    unit_price: Decimal
    rate: Decimal

    @property
    def net(self) -> Decimal:
        return self.quantity * self.unit_price


@dataclass(frozen=True)
class Invoice:
    language: str
    number: str
    issued: date
    due: date
    currency: str
    seller: Party
    buyer: Party
    iban: str
    lines: tuple[Line, ...]

    @property
    def taxes(self) -> Mapping[Decimal, tuple[Decimal, Decimal]]:
        """Base and tax by rate."""
        bases: dict[Decimal, Decimal] = {}
        for line in self.lines:
            bases[line.rate] = bases.get(line.rate, Decimal()) + line.net
        return {rate: (base, (base * rate / 100).quantize(_CENT, ROUND_HALF_UP)) for rate, base in bases.items()}

    @property
    def untaxed(self) -> Decimal:
        return sum((base for base, _ in self.taxes.values()), Decimal())

    @property
    def tax(self) -> Decimal:
        return sum((tax for _, tax in self.taxes.values()), Decimal())

    @property
    def total(self) -> Decimal:
        return self.untaxed + self.tax

    @property
    def truth(self) -> dict[str, str | None]:
        """The fields that a reader should find."""
        return {
            "invoice_number": self.number,
            "issue_date": self.issued.isoformat(),
            "currency": self.currency,
            "total": f"{self.total:.2f}",
            "untaxed": f"{self.untaxed:.2f}",
            "tax": f"{self.tax:.2f}",
            "seller": self.seller.name,
            "buyer": self.buyer.name,
            "iban": self.iban,
            "vat": self.seller.vat,
        }


_PLACES = {
    "de": (
        ("Tulpenweg 7", "50823", "Köln"),
        ("Am Steinbruch 112", "01099", "Dresden"),
        ("Hafenallee 3a", "24103", "Kiel"),
    ),
    "fr": (
        ("14 rue des Tilleuls", "31000", "Toulouse"),
        ("8 bis avenue Foch", "35000", "Rennes"),
        ("27 quai Sud", "69002", "Lyon"),
    ),
    "en": (
        ("41 Mill Road", "CB1 2AD", "Cambridge"),
        ("Unit 5, Dock Street", "LS10 1JF", "Leeds"),
        ("9 Harbour Lane", "BS1 5DB", "Bristol"),
    ),
    "it": (
        ("Via dei Mille 18", "10123", "Torino"),
        ("Corso Garibaldi 90", "37121", "Verona"),
        ("Piazza Dante 2", "38122", "Trento"),
    ),
    "ch": (("Seestrasse 44", "8002", "Zürich"), ("Bahnhofplatz 1", "3011", "Bern"), ("Rheingasse 20", "4058", "Basel")),
}
_SELLERS = {
    "de": ("Nordlicht Druckwerk GmbH", "Sägewerk Ahorn AG", "Kranich Software UG", "Elbsand Logistik GmbH & Co. KG"),
    "fr": ("Atelier Grésivaudan SARL", "Imprimerie du Vallon SAS", "Les Jardins d'Ondine", "Cabinet Morvan EURL"),
    "en": ("Larkfield Tools Ltd", "Pemberley Software Limited", "Stonebridge & Daughters LLP", "Tidewater Print plc"),
    "it": (
        "Officine Brentano S.r.l.",
        "Vetreria Lagunare S.p.A.",
        "Studio Quercia S.n.c.",
        "Caseificio Montebruno S.r.l.",
    ),
    "ch": ("Gipfelwerk AG", "Aareblick Treuhand GmbH", "Uhrenatelier Jura SA", "Matten Holzbau AG"),
}
_BUYERS = {
    "de": ("Wiesental Möbel GmbH", "Karla Beispielhaus", "Stadtwerke Neuhafen AG", "Pfau & Söhne OHG"),
    "fr": ("Librairie de la Halle SARL", "Camille Verdier", "Transports Oisans SA", "Mairie de Valclair"),
    "en": ("Greenacre Foods Ltd", "Amelia Northcott", "Fenwick Harbour Trust", "Oakhurst Clinics Limited"),
    "it": ("Trattoria Belvedere S.a.s.", "Chiara Montanari", "Comune di Roccaverde", "Tessitura Adige S.p.A."),
    "ch": ("Bergbahn Lenzalp AG", "Lea Musterli", "Gemeinde Oberwald", "Velo Reuss GmbH"),
}
_GOODS = {
    "de": ("Beratung vor Ort", "Druckbögen A3", "Wartung Quartal", "Montagesatz verzinkt"),
    "fr": ("Conseil sur site", "Papier couché A3", "Entretien trimestriel", "Jeu de fixations"),
    "en": ("On-site consulting", "Coated paper A3", "Quarterly maintenance", "Fixing kit, galvanised"),
    "it": ("Consulenza in sede", "Carta patinata A3", "Manutenzione trimestrale", "Kit di fissaggio"),
    "ch": ("Beratung vor Ort", "Druckbogen A3", "Unterhalt Quartal", "Montagesatz"),
}
_RATES = {"de": ("19", "7"), "fr": ("20", "5.5"), "en": ("20", "5"), "it": ("22", "10"), "ch": ("8.1", "2.6")}
_CURRENCIES = {"de": "EUR", "fr": "EUR", "en": "GBP", "it": "EUR", "ch": "CHF"}
_COUNTRIES = {"de": "DE", "fr": "FR", "en": "GB", "it": "IT", "ch": "CH"}
_NUMBERS = ("{year}-{n:04d}", "RE{year}{n:05d}", "INV-{n:05d}", "{n:06d}", "F{year}/{n:03d}", "A.{n:03d}.{year}")


def make_invoice(language: str, seed: int, *, is_credit: bool = False) -> Invoice:
    """An invoice that depends on nothing but its arguments; `language`: de, fr, en, it or ch (Swiss, in German)."""
    chance = random.Random(f"{language}/{seed}")
    issued = date(2024, 1, 1) + timedelta(days=chance.randrange(700))
    sign = -1 if is_credit else 1
    rates = _RATES[language]
    goods = chance.sample(_GOODS[language], chance.randint(1, 4))
    lines = tuple(
        Line(
            name,
            sign * chance.randint(1, 40),
            Decimal(chance.randrange(150, 90_000)) / 100,
            Decimal(chance.choice(rates)),
        )
        for name in goods
    )
    places = chance.sample(_PLACES[language], 2)
    return Invoice(
        language=language,
        number=chance.choice(_NUMBERS).format(year=issued.year, n=chance.randrange(1, 9999)),
        issued=issued,
        due=issued + timedelta(days=30),
        currency=_CURRENCIES[language],
        seller=_make_party(chance, language, _SELLERS[language], places[0]),
        buyer=_make_party(chance, language, _BUYERS[language], places[1]),
        iban=make_iban(chance, _COUNTRIES[language]),
        lines=lines,
    )


def sample_invoice() -> Invoice:
    """The German invoice that `make up` shows; its total is 3,063.27 EUR."""
    chance = random.Random("sample")
    return Invoice(
        language="de",
        number="RE-2025-0417",
        issued=date(2025, 4, 17),
        due=date(2025, 5, 17),
        currency="EUR",
        seller=Party("Nordlicht Druckwerk GmbH", "Tulpenweg 7", "50823", "Köln", "DE", make_vat(chance, "DE")),
        buyer=Party("Wiesental Möbel GmbH", "Am Steinbruch 112", "01099", "Dresden", "DE", make_vat(chance, "DE")),
        iban=make_iban(chance, "DE"),
        lines=(
            Line("Katalog Frühjahr, 96 Seiten", 500, Decimal("3.85"), Decimal(7)),
            Line("Gestaltung und Satz (Stunden)", 8, Decimal("72.00"), Decimal(19)),
            Line("Versandkartons, bedruckt", 120, Decimal("1.15"), Decimal(19)),
            Line("Eilzuschlag", 1, Decimal("129.29"), Decimal(19)),
        ),
    )


def make_vat(chance: random.Random, country: str) -> str:
    """A VAT id of `country` whose check digits hold."""
    digits = {"DE": 9, "FR": 11, "GB": 9, "IT": 11, "CH": 9}[country]
    while True:
        body = "".join(chance.choices("0123456789", k=digits))
        if country == "CH":
            return "CHE" + _swiss_body(body)
        if country == "IT":
            # Digits 8 to 10 are the province of registration.
            body = body[:7] + "001" + body[10:]
        value = country + body
        if british_vat.is_valid(value) if country == "GB" else eu_vat.is_valid(value):
            return value


def make_iban(chance: random.Random, country: str) -> str:
    """An IBAN of `country` whose check digits hold."""
    head, digits = {"DE": ("", 18), "FR": ("", 23), "GB": ("NWBK", 14), "IT": ("X", 22), "CH": ("", 17)}[country]
    body = head + "".join(chance.choices("0123456789", k=digits))
    return country + str(stdnum_iban.calc_check_digits(country + "00" + body)) + body


def _swiss_body(digits: str) -> str:
    weighted = sum(int(d) * w for d, w in zip(digits[:8], (5, 4, 3, 2, 7, 6, 5, 4), strict=True))
    check = (11 - weighted % 11) % 11
    return digits[:8] + str(check) if check < 10 else _swiss_body(digits[1:8] + "7" + digits[8:])


def _make_party(chance: random.Random, language: str, names: tuple[str, ...], place: tuple[str, str, str]) -> Party:
    street, postcode, city = place
    country = _COUNTRIES[language]
    return Party(chance.choice(names), street, postcode, city, country, make_vat(chance, country))
