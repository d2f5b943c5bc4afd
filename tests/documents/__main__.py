"""Writes test invoices and their truth.json: `python -m tests.documents FOLDER [--count N]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.documents.invoice import make_invoice
from tests.documents.pdf import LAYOUTS, build_pdf


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.documents", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=3, help="documents of each language and layout")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, dict[str, str | None]] = {}
    for language in ("de", "fr", "en", "it", "ch"):
        for layout in LAYOUTS:
            for seed in range(arguments.count):
                invoice = make_invoice(language, seed, is_credit=seed % 5 == 4)
                name = f"{language}-{layout}-{seed}.pdf"
                (arguments.folder / name).write_bytes(build_pdf(invoice, layout, date_style=seed % 3))
                truth[name] = invoice.truth
    (arguments.folder / "truth.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
