"""The project's own test documents: invoices of made-up parties, and documents that are broken in known ways.

`sample_invoice_pdf()` is what `make up` sends; `python -m tests.documents FOLDER` writes a folder that
`python -m benchmarks.documents` reads. No text, number or name is from a real invoice.
"""

from tests.documents.facturx import build_xml
from tests.documents.invoice import Invoice, Line, Party, make_invoice, sample_invoice
from tests.documents.pdf import build_pdf
from tests.documents.sample import sample_invoice_pdf

__all__ = [
    "Invoice",
    "Line",
    "Party",
    "build_pdf",
    "build_xml",
    "make_invoice",
    "sample_invoice",
    "sample_invoice_pdf",
]
