"""Finds the names of seller and buyer in a document's lines, by headings, sender lines and address blocks.

The rules in order, with the confidence of each (`benchmarks.documents` holds them against outcomes): a block under a
heading .85, with a line "Name:" .93; the sender line above a window address .8, the block below it .85; an address
block beside contact or tax data (seller) .7, one without (buyer) .7; such a block in the first of several columns, .5
where no contact data follow; a line with a legal form .45; the first line above a street or contact data .4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from service.domain.documents.dates import find_dates
from service.domain.documents.identifiers import find_vats
from service.domain.documents.lines import Line, Role

_LEGAL_FORM = re.compile(
    r"\b(?:GmbH|mbH|AG|UG|KG|KGaA|OHG|GbR|e\.\s?K\.|e\.\s?V\.|eG|a\.\s?G\.|SE|SARL|S\.?\s?[àa]\s?r\.?l\.?"
    r"|SASU?|EURL|SA|S\.A\.S?\.?|SCI"
    r"|SNC|Ltd\.?|Limited|LLP|LLC|Inc\.?|PLC|plc|Corp\.?|S\.?r\.?l\.?|S\.?p\.?A\.?|S\.?n\.?c\.?"
    r"|S\.?a\.?s\.?|B\.?V\.?|N\.?V\.?|Sàrl)(?![\w])"
)
_POSTCODE = re.compile(
    r"(?:^|(?<=\s))(?:[A-Z]{1,3}[- ]\s?)?\d{4,5}\s+[A-ZÀ-Þ][^\d:@|]{1,45}(?:\([A-Z]{2}\))?\.?$"
    r"|\b[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}\b|,\s?[A-Z]{2}\s\d{5}(?:-\d{4})?$|^\d{4}\s?[A-Z]{2}\s+[A-Z]"
)
_STREET = re.compile(
    r"(?:str\.|stra[ßs]s?e|weg|platz|allee|gasse|ring|damm|ufer|hof)\s*\d|^\d+[a-z]?(?:\s?(?:bis"
    r"|ter))?,?\s\w|\s\d+\s?[a-zA-Z]?$"
    r"|^(?:via|viale|piazza|corso|rue|avenue|boulevard|place|p\.?\s?o\.? box|postfach)\b|\b(?:street|road"
    r"|avenue|lane)\b",
    re.IGNORECASE,
)
_NUMBER_LINE = re.compile(
    r"^(?:gln|globale nummer|nummer|(?:kunden|lief\w*)[- .]?(?:nr|nummer)|id\b|nr\b|no\b|n°|ref|siret"
    r"|siren|telefon|tel\b|tel\.|fax|e-?mail|phone|www"
    r"|http|ust|vat|tva|p\.?\s?iva|c\.?f\.|partita|anschrift|adresse|address|indirizzo|steuer|tax|duns|hrb)",
    re.IGNORECASE,
)
_COUNTRY = re.compile(
    r"(?:deutschland|germany|allemagne|germania|[öo]sterreich|austria|autriche|schweiz|suisse|svizzera"
    r"|switzerland|france"
    r"|frankreich|francia|itali[ae]n?|italy|italie|netherlands|the netherlands|nederland|niederlande"
    r"|pays-bas|belgi\w+|luxembourg"
    r"|luxemburg|spain|espa[ñn]a|spanien|espagne|united kingdom|uk|england|scotland|wales|ireland|denmark"
    r"|d[äa]nemark|poland|polen"
    r"|usa|united states)",
    re.IGNORECASE,
)
_OWNER = re.compile(r"(?:inhaber|inh\.|gesch[äa]ftsf|owner|prop\.|g[ée]rant|titolare)", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w/])\(?\d{3,5}\)?[\s.-]\d{3}[\s-]?\d{4}\b|\+\d{2}")
_NAME_LABEL = re.compile(
    r"^(?:name|firma|firmenname|company(?: name)?|nom|raison sociale|nome|ragione sociale"
    r"|denominazione)\s*:\s*",
    re.IGNORECASE,
)
_SALUTATION = re.compile(
    r"^(?:herrn?|frau|firma|fa\.|familie|eheleute|ehepaar|an|mr\.?|mrs\.?|ms\.?|m\.|mme|monsieur|madame|soci[ée]t[ée]"
    r"|sig\.?(?:ra)?|spett\.?le|spettabile|[àa] l['’]attention de|for the attention of"
    r"|alla cortese attenzione(?: di)?)$",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"\b(?:tel|telefon|t[ée]l[ée]phone|phone|fon|fax|ust|vat|tva|iva|siret|iban|bic|hrb|hra|www"
    r"|gesch[äa]ftsf[üu]hr|steuernummer|amtsgericht)\b|@|https?:",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"\(c\)|©|copyright|rechnung|invoice|facture|fattura|gutschrift|credit note|avoir|nota di credito"
    r"|\b(?:seite|page|pagina|kopie|copy)\b",
    re.IGNORECASE,
)
# A letterhead's lines above its street, at most.
_HEAD_LINES = 4
# All of a letterhead, with what may stand above it.
_LETTERHEAD_LINES = 12
_PARTED = re.compile(r"\s*[●•·∙|▪*■◦]\s*|\s+[-–—]\s+|,\s+|\s{3,}")


@dataclass(frozen=True)
class Party:
    """A name, how sure we are of it, and the index of its line."""

    name: str
    confidence: float
    index: int


def find_parties(lines: list[Line]) -> tuple[Party | None, Party | None]:
    """Seller and buyer; None for one that is not found."""
    sender = _find_sender(lines)
    seller = _from_heading(lines, "seller") or sender
    buyer = _from_heading(lines, "buyer")
    blocks = _address_blocks(lines)
    if seller is None:
        seller = _block_of_seller(lines, blocks, buyer)
    if buyer is None:
        buyer = _block_of_buyer(lines, blocks, seller, sender)
    if seller is None:
        columns = [_first_column(line) for line in lines[:_LETTERHEAD_LINES]]
        seller = (
            _block_of_seller(columns, _address_blocks(columns), buyer)
            or _with_legal_form(lines, buyer)
            or _from_letterhead(columns, buyer)
        )
    return seller, buyer


def _first_column(line: Line) -> Line:
    """A letterhead's line without what stands to its right."""
    return replace(line, text=re.split(r"\s{3,}", line.text.rstrip())[0]) if line.role is None else line


def _from_letterhead(columns: list[Line], buyer: Party | None) -> Party | None:
    """The document's first line, where it is a name and a street or contact data stand right below."""
    if not columns or columns[0].role is not None:
        return None
    name, below = columns[0].text.strip(), [line.text.strip() for line in columns[1:4]]
    if not _is_name(name) or _TITLE.search(name) or len(name.split()) > 8:
        return None
    party = Party(name, 0.4, columns[0].index)
    is_head = any(_STREET.search(text) or _CONTACT.search(text) for text in below)
    return party if is_head and (buyer is None or not _is_same(party, buyer)) else None


def _from_heading(lines: list[Line], role: Role) -> Party | None:
    """The name in the first block of that role that holds one."""
    for block in dict.fromkeys(line.block for line in lines if line.role == role):
        party = _name_in_block([line for line in lines if line.block == block and line.role == role])
        if party is not None:
            return party
    return None


def _name_in_block(block: list[Line]) -> Party | None:
    for position, line in enumerate(block):
        label = _NAME_LABEL.match(line.text.strip())
        if label:
            name = line.text.strip()[label.end() :] or _until_label(block[position + 1 :])
            return Party(name, 0.93, line.index) if name else None
    for line in block[:6]:
        text = line.text.strip()
        if _is_name(text):
            # "Muster GmbH, Hauptstr. 1, 12345 Berlin" in one line: the name ends where the address begins.
            return Party(_before_address(text), 0.85, line.index)
    return None


def _until_label(block: list[Line]) -> str:
    """The lines up to the next label: the value of a label that stands alone ("Name:") and may have several lines."""
    kept: list[str] = []
    for line in block[:3]:
        if ":" in line.text or _NUMBER_LINE.match(line.text.strip()):
            break
        kept.append(line.text.strip())
    return " ".join(kept)


def _is_name(text: str) -> bool:
    if not re.search(r"[^\W\d_]{2}", text) or len(text) > 90 or _SALUTATION.match(text) or _NUMBER_LINE.match(text):
        return False
    if _COUNTRY.fullmatch(text) or re.search(r"[@:]|https?|\d{6}", text) or any(find_dates(text)):
        return False
    if any(found.start == 0 for found in find_vats(text)):
        return False
    return not (_POSTCODE.search(text) and not _PARTED.search(text))


def _before_address(text: str) -> str:
    parts = [part for part in _PARTED.split(text) if part]
    has_address = any(_POSTCODE.search(part) or _STREET.search(part) for part in parts[1:])
    return parts[0].strip() if parts and has_address else text


def _before_sentence(text: str) -> str:
    """ "Muster Ltd. Registered in England no. 1": the name ends with its legal form where a sentence follows."""
    form = _LEGAL_FORM.search(text)
    is_sentence = form is not None and len(text[form.end() :].split()) >= 3 and "& Co" not in text
    return text[: form.end()] if form and is_sentence else text


def _find_sender(lines: list[Line]) -> Party | None:
    """The first line that holds name, street and town, parted by signs: the sender above a window or in the foot."""
    for line in lines:
        parts = [part.strip() for part in _PARTED.split(line.text.strip()) if part.strip()]
        if line.role is not None or not 2 <= len(parts) <= 9 or not _is_sender(parts):
            continue
        if not _STREET.search(parts[0]) or _LEGAL_FORM.search(parts[0]):
            if len(parts) >= 3:
                return Party(parts[0], 0.8, line.index)
        # The line begins with the street: the name stands above it.
        else:
            names = _names_above(lines, line.index)
            if names:
                return Party(names[0] if line.index <= _HEAD_LINES else names[-1], 0.7, line.index)
    return None


def _names_above(lines: list[Line], index: int) -> list[str]:
    """Names in the two lines above; all of them at the document's head, where trade and numbers follow the name."""
    above = lines[:index] if index <= _HEAD_LINES else lines[index - 2 : index]
    texts = [line.text.strip() for line in above]
    names = [text for text in texts if _is_name(text) and not _OWNER.match(text) and not _TITLE.search(text)]
    return [_before_sentence(name) for name in names]


def _is_sender(parts: list[str]) -> bool:
    if not _is_name(parts[0]) or _TITLE.search(parts[0]) or len(parts[0].split()) > 8:
        return False
    towns = [position for position, part in enumerate(parts[1:4], 1) if _POSTCODE.search(part)]
    return bool(towns)


def _address_blocks(lines: list[Line]) -> list[tuple[Party, int]]:
    """Name of each address outside of headed blocks, and the index of its last line."""
    found: list[tuple[Party, int]] = []
    for position, line in enumerate(lines):
        text = line.text.strip()
        if line.role is not None or len(text) > 60 or not _POSTCODE.search(text):
            continue
        top = _top_of_address(lines, position)
        if top is not None:
            found.append((Party(_before_address(top.text.strip()), 0.7, top.index), line.index))
    return found


def _top_of_address(lines: list[Line], position: int) -> Line | None:
    """The name's line: the first of at most four unbroken lines above the town, at least one of them a name."""
    top: Line | None = None
    for line in reversed(lines[max(0, position - 4) : position]):
        text = line.text.strip()
        if line.role is not None or line.page != lines[position].page or len(text) > 60:
            break
        if _COUNTRY.fullmatch(text) or _is_sender([part.strip() for part in _PARTED.split(text) if part.strip()]):
            break
        is_street = top is None and bool(_STREET.search(text)) and not _LEGAL_FORM.search(text)
        if re.search(r"[:@●•·∙▪■|]|https?|\d{5}|\+\d|\d,\d\d|%", text) or _TITLE.search(text) or any(find_dates(text)):
            break
        if not is_street and _is_name(text):
            top = line
            # What stands above a company's name is no part of its address.
            if _LEGAL_FORM.search(text):
                break
    if top is not None and _SALUTATION.match(top.text.strip()):
        return lines[top.index + 1]
    return top


def _block_of_seller(lines: list[Line], blocks: list[tuple[Party, int]], buyer: Party | None) -> Party | None:
    """The address with contact or tax data below it; else the first that is not the buyer's."""
    others = [(party, end) for party, end in blocks if buyer is None or not _is_same(party, buyer)]
    for party, end in others:
        if _contacts_below(lines, end):
            return party
    if others and (buyer is not None or len({party.name.lower() for party, _ in others}) > 1):
        return Party(others[0][0].name, 0.5, others[0][0].index)
    return None


def _block_of_buyer(
    lines: list[Line], blocks: list[tuple[Party, int]], seller: Party | None, sender: Party | None
) -> Party | None:
    """The address right below the sender line; else the first that is not the seller's and has no contact data."""
    others = [(party, end) for party, end in blocks if seller is None or not _is_same(party, seller)]
    for party, _ in others:
        if sender is not None and 0 < party.index - sender.index <= 3:
            return Party(party.name, 0.85, party.index)
    for party, end in others:
        if not _contacts_below(lines, end):
            return party
    return Party(others[0][0].name, 0.5, others[0][0].index) if others else None


def _contacts_below(lines: list[Line], end: int) -> bool:
    """Whether phone, tax number or bank stand in the five lines below, before the next address."""
    for line in lines[end + 1 : end + 6]:
        if _POSTCODE.search(line.text.strip()) and len(line.text) < 60:
            return False
        if _CONTACT.search(line.text) or _PHONE.search(line.text):
            return True
    return False


def _with_legal_form(lines: list[Line], buyer: Party | None) -> Party | None:
    for line in lines[:200]:
        text = line.text.strip()
        form = _LEGAL_FORM.search(text)
        if form is None or line.role is not None or _TITLE.search(text):
            continue
        name = _before_address(_before_sentence(text))
        if not _is_name(name) or len(name.split()) > 8:
            continue
        party = Party(name, 0.45, line.index)
        if buyer is None or not _is_same(party, buyer):
            return party
    return None


def _is_same(one: Party, other: Party) -> bool:
    return one.name.lower().split() == other.name.lower().split()
