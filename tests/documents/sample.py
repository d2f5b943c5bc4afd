"""The document that `make up` analyses."""

from __future__ import annotations

from tests.documents.facturx import build_xml
from tests.documents.invoice import sample_invoice
from tests.documents.pdf import build_pdf


def sample_invoice_pdf() -> bytes:
    """A German invoice of several lines and two tax rates, with its Factur-X XML (EN 16931) embedded."""
    invoice = sample_invoice()
    return build_pdf(invoice, "window", xml=build_xml(invoice))
