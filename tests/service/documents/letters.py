"""Invoices as plain text in many wordings, with what should be found in them. All parties are made up."""

from __future__ import annotations

LETTERS: dict[str, tuple[dict[str, str | None], str]] = {
    "freelancer-de": (
        {
            "invoice_number": "2024-118",
            "issue_date": "2024-03-04",
            "currency": "EUR",
            "total": "1190.00",
            "untaxed": "1000.00",
            "tax": "190.00",
            "seller": "Lena Kowalk Grafikdesign",
            "buyer": "Autohaus Birkmann GmbH",
            "iban": "DE89370400440532013000",
            "vat": None,
        },
        """Lena Kowalk Grafikdesign
Gartenstraße 9
04109 Leipzig
Tel: 0341 555 0199

Autohaus Birkmann GmbH
z. Hd. Frau Seidel
Industriering 22
04420 Markranstädt

Leipzig, den 4. März 2024

Rechnung Nr. 2024-118

Sehr geehrte Frau Seidel,
für die Gestaltung Ihrer Broschüre erlaube ich mir zu berechnen:

Pos.  Leistung                 Std.   Satz       Betrag
1     Entwurf                  10     60,00 €    600,00 €
2     Reinzeichnung             8     50,00 €    400,00 €

Summe netto                                    1.000,00 €
+ 19 % USt                                       190,00 €
Rechnungsbetrag                                1.190,00 €

Bitte überweisen Sie bis zum 18.03.2024. Bei Zahlung bis 11.03.2024 gewähren wir 2 % Skonto (23,80 €).
Bankverbindung: IBAN DE89 3704 0044 0532 0130 00, BIC COBADEFFXXX
Steuernummer 232/123/45678
""",
    ),
    "us-two-columns": (
        {
            "invoice_number": "INV-0042",
            "issue_date": "2024-05-13",
            "currency": "USD",
            "total": "2160.00",
            "untaxed": "2000.00",
            "tax": "160.00",
            "seller": "Brightwater Analytics Inc.",
            "buyer": "Redwood Dental Group LLC",
            "iban": None,
            "vat": None,
        },
        """INVOICE

Brightwater Analytics Inc.
500 Pine Street, Suite 12
Portland, OR 97204

Bill To:                          Ship To:
Redwood Dental Group LLC          Redwood Dental Group LLC
88 Oak Avenue                     12 Elm Court
Salem, OR 97301                   Salem, OR 97302

Invoice #: INV-0042
Invoice Date: 05/13/2024
Due Date: 06/12/2024
PO Number: 778812

Description            Qty     Rate       Amount
Dashboard setup          1  $1,500.00   $1,500.00
Training                 2    $250.00     $500.00

Subtotal     $2,000.00
Sales Tax (8%)   $160.00
Total    $2,160.00
Amount Paid    $500.00
Balance Due    $1,660.00
""",
    ),
    "deposit-fr": (
        {
            "invoice_number": "FC-24-0099",
            "issue_date": "2024-01-01",
            "currency": "EUR",
            "total": "3540.00",
            "untaxed": "2950.00",
            "tax": "590.00",
            "seller": "Menuiserie Larrieu",
            "buyer": "SCI Les Ormeaux",
            "iban": "FR1420041010050500013M02606",
            "vat": "FR83404833048",
        },
        """Menuiserie Larrieu
ZA du Bois Joli
64000 PAU
SIRET 404 833 048 00022 - TVA intracom. FR83404833048

FACTURE N° FC-24-0099 du 1er janvier 2024

Client :
SCI Les Ormeaux
3 place Gramont
64000 PAU

Désignation                         Qté   P.U. HT     Total HT
Porte chêne massif                   1    2 450,00    2 450,00
Pose                                 1      500,00      500,00

Total HT                                          2 950,00 €
TVA 20,00 %                                         590,00 €
Total TTC                                         3 540,00 €
Acompte versé                                     1 000,00 €
Net à payer                                       2 540,00 €

Règlement par virement sous 30 jours. IBAN : FR14 2004 1010 0505 0001 3M02 606
""",
    ),
    "snc-it": (
        {
            "invoice_number": "57/2024",
            "issue_date": "2024-02-29",
            "currency": "EUR",
            "total": "1220.00",
            "untaxed": "1000.00",
            "tax": "220.00",
            "seller": "Falegnameria Pini S.n.c.",
            "buyer": "Albergo Stella Alpina S.r.l.",
            "iban": "IT60X0542811101000000123456",
            "vat": "IT07643520567",
        },
        """Falegnameria Pini S.n.c.
Via Roma 12
39100 Bolzano (BZ)
P.IVA 07643520567 - C.F. 07643520567

Spett.le
Albergo Stella Alpina S.r.l.
Viale delle Terme 5
39012 Merano (BZ)

Fattura n. 57/2024 del 29/02/2024

Descrizione              Quantità   Prezzo    Importo
Armadio su misura        1          1.000,00  1.000,00

Imponibile               € 1.000,00
IVA 22%                  €   220,00
Totale fattura           € 1.220,00

Pagamento: bonifico bancario entro il 31/03/2024
IBAN IT60 X054 2811 1010 0000 0123 456
""",
    ),
    "swiss-table-head": (
        {
            "invoice_number": "20240077",
            "issue_date": "2024-06-12",
            "currency": "CHF",
            "total": "1081.00",
            "untaxed": "1000.00",
            "tax": "81.00",
            "seller": "Schreinerei Amrein AG",
            "buyer": "Hotel Seeblick AG",
            "iban": "CH9300762011623852957",
            "vat": "CHE116281710",
        },
        """Schreinerei Amrein AG, Dorfstrasse 3, 6005 Luzern
Hotel Seeblick AG
Uferweg 1
6006 Luzern

Rechnung
Rechnungsnr.    Datum         Kundennr.   Fällig
20240077        12.06.2024    1234        12.07.2024

Tisch Eiche     1 Stk.     1'000.00      1'000.00

Total exkl. MWST     CHF 1'000.00
MWST 8.1 %           CHF 81.00
Total inkl. MWST     CHF 1'081.00

CHE-116.281.710 MWST
IBAN CH93 0076 2011 6238 5295 7
""",
    ),
    "credit-de-trailing-sign": (
        {
            "invoice_number": "G-2023-11",
            "issue_date": "2023-11-20",
            "currency": "EUR",
            "total": "-119.00",
            "untaxed": "-100.00",
            "tax": "-19.00",
            "seller": "Weinhandel Orth KG",
            "buyer": "Gasthof Krone",
            "iban": None,
            "vat": "DE172921585",
        },
        """Weinhandel Orth KG · Kellergasse 4 · 67433 Neustadt
Gasthof Krone
Marktplatz 1
67098 Bad Dürkheim

Gutschrift G-2023-11
zu Rechnung Nr. R-2023-870 vom 02.11.2023
Datum: 20.11.2023
Kundennummer: 4711

Retoure 10 Fl. Riesling      100,00-

Netto         100,00-
MwSt. 19%      19,00-
Gesamt        119,00- EUR

USt-IdNr. DE 172 921 585
""",
    ),
    "small-business-de": (
        {
            "invoice_number": "RG-300",
            "issue_date": "2024-08-01",
            "currency": "EUR",
            "total": "450.00",
            "untaxed": "450.00",
            "tax": "0.00",
            "seller": "Yogastudio Mara Lind",
            "buyer": "Tim Sander",
            "iban": None,
            "vat": None,
        },
        """Rechnungssteller: Yogastudio Mara Lind, Lindenstr. 4, 10969 Berlin
Rechnungsempfänger: Tim Sander, Urbanstr. 80, 10967 Berlin
Rechnungsnummer: RG-300
Rechnungsdatum: 01.08.2024

Kurs Sommer    450,00 €
Gesamtbetrag   450,00 €

Gemäß § 19 UStG wird keine Umsatzsteuer berechnet.
""",
    ),
    "gb-postcode-lines": (
        {
            "invoice_number": "SI-20931",
            "issue_date": "2023-12-07",
            "currency": "GBP",
            "total": "1440.00",
            "untaxed": "1200.00",
            "tax": "240.00",
            "seller": "Hartwell Plumbing Ltd",
            "buyer": "Mrs J. Ashdown",
            "iban": "GB29NWBK60161331926819",
            "vat": "GB980780684",
        },
        """Hartwell Plumbing Ltd
2 Station Road
York YO1 6AB
VAT Registration Number: GB 980 7806 84

To: Mrs J. Ashdown
14 Abbey Close
York
YO10 5DD

Tax Invoice No. SI-20931
Date: 7 December 2023
Payment due: 6 January 2024

Boiler replacement   1,200.00

Net amount       £1,200.00
VAT @ 20%          £240.00
Total to pay     £1,440.00
IBAN GB29 NWBK 6016 1331 9268 19
""",
    ),
    "reverse-charge": (
        {
            "invoice_number": "2023000123",
            "issue_date": "2023-09-30",
            "currency": "EUR",
            "total": "5000.00",
            "untaxed": "5000.00",
            "tax": "0.00",
            "seller": "Delta Ingenieurbüro GmbH",
            "buyer": "Nordhavn Shipping ApS",
            "iban": None,
            "vat": "DE172921585",
        },
        """Delta Ingenieurbüro GmbH | Kanalstr. 12 | 28195 Bremen | Germany

Invoice
Invoice no.: 2023000123
Date of issue: 30 September 2023
Customer no.: 10042
Customer VAT ID: DK13585628
Our VAT ID: DE172921585

Bill to
Nordhavn Shipping ApS
Havnegade 3
8000 Aarhus
Denmark

Engineering services September 2023     5,000.00
Total net       EUR 5,000.00
VAT 0%          EUR 0.00
Total amount    EUR 5,000.00

Reverse charge: VAT to be accounted for by the recipient.
""",
    ),
    "taxe-de-sejour": (
        {
            "invoice_number": "A-77",
            "issue_date": "2024-04-30",
            "currency": "EUR",
            "total": "214.00",
            "untaxed": "195.45",
            "tax": "18.55",
            "seller": "Hotel Bellevue SARL",
            "buyer": "M. Étienne Roux",
            "iban": None,
            "vat": None,
        },
        """Hotel Bellevue SARL
2 quai du Port
06300 Nice

Facture A-77
Date : 30 avril 2024

Destinataire
M. Étienne Roux
5 impasse des Lilas
38000 Grenoble

2 nuits      204,00
Taxe de séjour   10,00
Total TTC 214,00 EUR
dont TVA 10 % 18,55 EUR
Montant HT 195,45 EUR
""",
    ),
    "labels-over-values": (
        {
            "invoice_number": "9912",
            "issue_date": "2024-07-15",
            "currency": "EUR",
            "total": "238.00",
            "untaxed": "200.00",
            "tax": "38.00",
            "seller": "Blitz Kurier GmbH",
            "buyer": "Praxis Dr. Hohl",
            "iban": None,
            "vat": "DE172921585",
        },
        """RECHNUNG
Praxis Dr. Hohl
Bergstr. 1
70173 Stuttgart
Rechnungs-Nr.
9912
Rechnungsdatum
15.07.2024
Kunden-Nr.
300
Kurierfahrten Juli
Netto
MwSt 19%
Brutto
200,00
38,00
238,00
Alle Beträge in EUR
Blitz Kurier GmbH
Daimlerstr. 5
70372 Stuttgart
Tel. 0711 5550
USt-IdNr.: DE172921585
""",
    ),
    "luxembourg-columns": (
        {
            "invoice_number": "LX-5",
            "issue_date": "2024-01-15",
            "currency": "EUR",
            "total": "117.00",
            "untaxed": "100.00",
            "tax": "17.00",
            "seller": "Moien Print S.à r.l.",
            "buyer": "Cave Schengen",
            "iban": "LU280019400644750000",
            "vat": "LU26375245",
        },
        """De:                                Facturé à:
Moien Print S.à r.l.               Cave Schengen
3, rue du Fort                     1, quai de la Moselle
L-2320 Luxembourg                  L-5441 Schengen

Numéro de facture : LX-5
Date de facturation : 15/01/2024
Échéance : 14/02/2024

Étiquettes     100,00
Sous-total     100,00 €
TVA 17%         17,00 €
Total          117,00 €
TVA LU26375245  IBAN LU28 0019 4006 4475 0000
""",
    ),
    "din-letter": (
        {
            "invoice_number": "VR-2024-15",
            "issue_date": "2024-02-02",
            "currency": "EUR",
            "total": "1234.50",
            "untaxed": "1037.39",
            "tax": "197.11",
            "seller": "Muster & Sohn OHG",
            "buyer": "Gemeinde Seeheim",
            "iban": "DE75512108001245126199",
            "vat": "DE172921585",
        },
        """Seite 1 von 1
Muster & Sohn OHG - Am Bahnhof 3 - 64342 Seeheim
Gemeinde Seeheim
Rathausplatz 1
64342 Seeheim
Ihr Ansprechpartner: Herr Kurz
Rechnung                        Datum 02.02.2024
Rechnung-Nr. VR-2024-15         Lieferdatum 31.01.2024
Bestellnummer 4500012345
Netto EUR      MwSt %    MwSt EUR     Brutto EUR
1.037,39       19,00     197,11       1.234,50
Zahlbar sofort ohne Abzug.
Bank: DE75 5121 0800 1245 1261 99
USt-ID DE172921585
""",
    ),
    "spaced-columns-it": (
        {
            "invoice_number": "000451",
            "issue_date": "2024-03-28",
            "currency": "EUR",
            "total": "366.00",
            "untaxed": "300.00",
            "tax": "66.00",
            "seller": "Studio Legale Ferri",
            "buyer": "Edil Costruzioni S.p.A.",
            "iban": None,
            "vat": "IT07643520567",
        },
        """Mittente: Studio Legale Ferri
Partita IVA: 07643520567
Destinatario: Edil Costruzioni S.p.A.
P.IVA 00743110157
Tipo documento: Fattura
Numero documento: 000451
Data documento: 28 marzo 2024
Onorario 300,00
Totale imponibile 300,00
Totale IVA 66,00
Totale documento 366,00
Netto a pagare 366,00 euro
""",
    ),
    "short-de": (
        {
            "invoice_number": "R2024-7",
            "issue_date": "2024-10-10",
            "currency": "EUR",
            "total": "107.10",
            "untaxed": "90.00",
            "tax": "17.10",
            "seller": "Copyshop Lang e.K.",
            "buyer": "Verein Kunterbunt e.V.",
            "iban": None,
            "vat": None,
        },
        """Copyshop Lang e.K.
Poststr. 4
35037 Marburg
An
Verein Kunterbunt e.V.
Schulweg 8
35039 Marburg
Rechnung R2024-7                                10.10.2024
Flyer                                               90,00
Zwischensumme                                       90,00
19% MwSt                                            17,10
Summe                                              107,10 EUR
""",
    ),
    "credit-nl-parentheses": (
        {
            "invoice_number": "CN-12",
            "issue_date": "2024-03-03",
            "currency": "EUR",
            "total": "-242.00",
            "untaxed": "-200.00",
            "tax": "-42.00",
            "seller": "Veldhuis Bloemen B.V.",
            "buyer": "Garden Centre Ltd",
            "iban": "NL91ABNA0417164300",
            "vat": "NL123456789B13",
        },
        """Supplier
Veldhuis Bloemen B.V.
Keizersgracht 1
1015 CN Amsterdam
VAT no. NL123456789B13
Customer
Garden Centre Ltd
1 High St
Dover CT16 1AA
Credit note no. CN-12
Credit note date 3 March 2024
Original invoice no. 5512
Net  (EUR 200.00)
VAT 21%  (EUR 42.00)
Total  (EUR 242.00)
IBAN: NL91 ABNA 0417 1643 00
""",
    ),
    "sums-in-one-row": (
        {
            "invoice_number": "77",
            "issue_date": "2024-02-02",
            "currency": "EUR",
            "total": "1234.50",
            "untaxed": "1037.39",
            "tax": "197.11",
        },
        """Rechnung Nr. 77 vom 02.02.2024
Pos Text Einzel Gesamt
1 Kabel 1.037,39 1.037,39
Netto EUR MwSt % MwSt EUR Brutto EUR
1.037,39 19,00 197,11 1.234,50
Zahlbar sofort.
""",
    ),
    "one-blank-heads": (
        {
            "total": "120.00",
            "untaxed": "100.00",
            "tax": "20.00",
        },
        """Facture F12
Total HT TVA Total TTC
100,00 20,00 120,00
""",
    ),
    "craftsman-de": (
        {
            "invoice_number": "4500-22",
            "issue_date": "2023-05-22",
            "currency": "EUR",
            "total": "2856.00",
            "untaxed": "2400.00",
            "tax": "456.00",
            "seller": "Tischlerei Brandt",
            "buyer": "Familie Ostermann",
            "iban": "DE21300606010012345678",
            "vat": None,
        },
        """Tischlerei Brandt
Inhaber Jens Brandt
Werkstr. 18 • 26122 Oldenburg
Telefon 0441-555010

Familie Ostermann
Eichenweg 2
26127 Oldenburg

Rechnungs-Nr.: 4500-22
Kunden-Nr.: 881
Oldenburg, 22.05.2023

Rechnung
Einbauschrank nach Aufmaß, geliefert am 15.05.2023
Material                     1.100,00 EUR
Arbeitszeit 26 Std à 50,00   1.300,00 EUR
Gesamt netto                 2.400,00 EUR
MwSt 19,00%                    456,00 EUR
Gesamt brutto                2.856,00 EUR
Überweisung auf IBAN: DE21 3006 0601 0012 3456 78
St.-Nr. 64/105/01234
""",
    ),
    "addressed-by-doit-fr": (
        {
            "invoice_number": "F20230912",
            "issue_date": "2023-09-12",
            "currency": "EUR",
            "total": "96.00",
            "untaxed": "80.00",
            "tax": "16.00",
            "seller": "Garage des Alpes",
            "buyer": "Madame Sophie Martin",
            "iban": None,
            "vat": "FR40303265045",
        },
        """GARAGE DES ALPES
55 route de Grenoble
73000 Chambéry
Tél : 04 79 00 00 00
TVA intracommunautaire : FR40303265045

Doit : Madame Sophie Martin
12 chemin des Prés
73100 Aix-les-Bains

Facture No F20230912
Le 12 septembre 2023

Main d'oeuvre 1h   80,00
Montant HT    80,00 €
TVA à 20%     16,00 €
Net à payer   96,00 €
""",
    ),
    "odoo-like-en": (
        {
            "invoice_number": "INV/2024/00017",
            "issue_date": "2024-01-31",
            "currency": "EUR",
            "total": "605.00",
            "untaxed": "500.00",
            "tax": "105.00",
            "seller": "Northsea Consulting BV",
            "buyer": "Baltic Foods OÜ",
            "iban": "NL91ABNA0417164300",
            "vat": "NL123456789B13",
        },
        """Northsea Consulting BV
Dam 1
1012 JS Amsterdam
Netherlands

Baltic Foods OÜ
Narva mnt 5
10117 Tallinn
Estonia

Invoice INV/2024/00017

Invoice Date: 31/01/2024   Due Date: 01/03/2024   Source: S0012

Description     Quantity   Unit Price   Taxes   Amount
Advice          5.00       100.00       21%     500.00 €

Untaxed Amount  500.00 €
VAT 21%  105.00 €
Total  605.00 €

Please use the following communication for your payment: INV/2024/00017
IBAN NL91ABNA0417164300  VAT: NL123456789B13
""",
    ),
    "owner-line-it": (
        {
            "invoice_number": "2024/A/12",
            "issue_date": "2024-06-30",
            "currency": "EUR",
            "total": "732.00",
            "untaxed": "600.00",
            "tax": "132.00",
            "seller": "Grafica Moderna di Rossi Paolo",
            "buyer": "Cantina Sociale Soave",
            "iban": None,
            "vat": "IT00743110157",
        },
        """Grafica Moderna di Rossi Paolo
via Manzoni 4 - 37100 Verona - P.IVA IT00743110157

FATTURA
Numero: 2024/A/12     Data: 30/06/2024

Cliente
Cantina Sociale Soave
via Covergnino 7
37038 Soave (VR)

Etichette vino n. 2000       600,00
TOTALE IMPONIBILE            600,00
IVA 22 %                     132,00
TOTALE DA PAGARE     Euro    732,00
""",
    ),
    "total-in-one-word-ch": (
        {
            "invoice_number": "10-3345",
            "issue_date": "2024-08-19",
            "currency": "CHF",
            "total": "538.35",
            "untaxed": "498.00",
            "tax": "40.35",
            "seller": "Elektro Walser GmbH",
            "buyer": "Herr Urs Wyss",
            "iban": "CH9300762011623852957",
            "vat": "CHE116281710",
        },
        """Elektro Walser GmbH
Industriestrasse 9
9490 Vaduz
info@example.li

Herr Urs Wyss
Landstrasse 40
9494 Schaan

Rechnung 10-3345
Datum 19. August 2024
MWST-Nr. CHE-116.281.710

Arbeit und Material                                498.00
MWST 8.1% von 498.00                                40.35
Rechnungstotal CHF                                 538.35
Zahlbar innert 30 Tagen auf CH93 0076 2011 6238 5295 7
""",
    ),
    "phone-without-label-us": (
        {
            "invoice_number": "00871",
            "issue_date": "2024-02-05",
            "currency": "USD",
            "total": "324.75",
            "untaxed": "300.00",
            "tax": "24.75",
            "seller": "Cedar & Pine Landscaping",
            "buyer": "Ms. Dana Whitfield",
            "iban": None,
            "vat": None,
        },
        """Cedar & Pine Landscaping
1420 Maple Ave
Dayton, OH 45402
(937) 555-0141

Invoice No: 00871
Invoice For: Ms. Dana Whitfield
78 Birch Rd
Dayton, OH 45419

Date: 02/05/2024
Terms: Net 30

Spring clean-up  $300.00
Subtotal $300.00
Tax 8.25% $24.75
TOTAL $324.75
""",
    ),
    "credit-note-amount-de": (
        {
            "invoice_number": "GS-2023-0044",
            "issue_date": "2023-11-17",
            "currency": "EUR",
            "total": "-238.00",
            "untaxed": "-200.00",
            "tax": "-38.00",
            "seller": "Nordlicht Büromöbel GmbH & Co. KG",
            "buyer": "Stadtwerke Elmsrode",
            "iban": "DE02120300000000202051",
            "vat": "DE129273398",
        },
        """Nordlicht Büromöbel GmbH & Co. KG · Hafenweg 3 · 24103 Kiel

Stadtwerke Elmsrode
Einkauf
Postfach 12 34
25335 Elmsrode

GUTSCHRIFT

Gutschriftsnummer    Datum         Kundennummer   Zu Rechnung
GS-2023-0044         17.11.2023    10482          R-2023-1201 vom 02.11.2023

Rückgabe 2 x Drehstuhl "Komfort"       je 100,00       -200,00 EUR

Nettobetrag                                          -200,00 EUR
zzgl. 19% MwSt.                                       -38,00 EUR
Gutschriftsbetrag                                    -238,00 EUR

USt-IdNr.: DE129273398    Amtsgericht Kiel HRA 4711
DKB   IBAN: DE02120300000000202051   BIC: BYLADEM1001
""",
    ),
    "seller-in-foot-en": (
        {
            "invoice_number": "SI/2024/00871",
            "issue_date": "2024-03-21",
            "currency": "GBP",
            "total": "1458.00",
            "untaxed": "1215.00",
            "tax": "243.00",
            "seller": "Harbour & Finch Ltd.",
            "buyer": "Millbrook Community Trust",
            "iban": "GB29NWBK60161331926819",
            "vat": "GB123456782",
        },
        """TAX INVOICE

To: Millbrook Community Trust
    The Old School, Church Lane
    Millbrook ML4 5QT

Invoice number   SI/2024/00871
Tax point        21 March 2024
Your reference   PO 5582
Terms            30 days

Item                                  Hours      Rate       Net £
Consultancy, February 2024             13.5     £90.00    1,215.00

                                       Net     £1,215.00
                                   VAT 20%       £243.00
                                     Gross     £1,458.00

Please pay to: Harbour & Finch Ltd, IBAN GB29 NWBK 6016 1331 9268 19
Harbour & Finch Ltd. Registered in England no. 0123 4567. VAT reg. no. GB 123 4567 82.
1 Quay Street, Poole BH15 1AA
""",
    ),
    "tax-within-de": (
        {
            "invoice_number": "RE20240077",
            "issue_date": "2024-01-31",
            "currency": "EUR",
            "total": "107.00",
            "untaxed": "100.00",
            "tax": "7.00",
            "buyer": "Gymnasium am Wall",
            "iban": "DE75512108001245126199",
            "vat": "DE811907980",
        },
        """Buchhandlung Seitenweise e.K.                     Rechnungs-Nr.   RE20240077
Marktplatz 2                                      Rechnungsdatum  31.01.2024
38300 Wolfenbüttel                                Kunden-Nr.      5512
                                                  Bearbeiter      H. Voss
Rechnung an:                                      Lieferung an:
Gymnasium am Wall                                 Gymnasium am Wall, Raum 12
Wallstraße 9                                      Wallstraße 9
38100 Braunschweig                                38100 Braunschweig

10 Lektüren à 10,70 EUR inkl. 7 % MwSt.                                  107,00 EUR

Gesamtbetrag                                                             107,00 EUR
darin enthalten 7 % MwSt. aus 100,00 EUR netto                             7,00 EUR

Seitenweise e.K. | USt-ID DE811907980 | IBAN DE75 5121 0800 1245 1261 99
""",
    ),
    "trade-below-name-fr": (
        {
            "invoice_number": "2024-03-012",
            "issue_date": "2024-03-15",
            "currency": "EUR",
            "total": "850.00",
            "untaxed": "850.00",
            "tax": "0.00",
            "seller": "Claire Dumontel",
            "buyer": "Agence Bleu Canard",
            "iban": "FR1420041010050500013M02606",
            "vat": None,
        },
        """Claire Dumontel
Traductrice indépendante (EI)
SIRET : 812 345 678 00014
7 impasse des Lilas, 44000 Nantes

Facturé à : Agence Bleu Canard
18 quai de la Fosse
44000 Nantes

FACTURE 2024-03-012
Le 15 mars 2024

Traduction anglais > français, 10 000 mots      0,085 €/mot       850,00 €

TOTAL À PAYER : 850,00 €
TVA non applicable, art. 293 B du CGI

IBAN : FR14 2004 1010 0505 0001 3M02 606
Pénalités de retard : 3 fois le taux légal. Indemnité forfaitaire : 40 €
""",
    ),
    "page-beside-title-fr": (
        {
            "invoice_number": "FA00012345",
            "issue_date": "2023-12-31",
            "currency": "EUR",
            "total": "15240.00",
            "untaxed": "12700.00",
            "tax": "2540.00",
            "seller": "SAS GRANVILLE INGÉNIERIE",
            "buyer": "Société Nouvelle des Carrières",
            "iban": None,
            "vat": "FR83404833048",
        },
        """SAS GRANVILLE INGÉNIERIE
Capital 50 000 €  RCS Coutances B 404 833 048
N° TVA : FR 83 404833048

FACTURE                                         Page 1/1
Numéro : FA00012345       Date : 31/12/2023       Code client : C0099

Adresse de facturation
Société Nouvelle des Carrières
BP 12
50400 GRANVILLE

Réf     Désignation                  Qté     P.U.         Montant
ETU01   Étude de stabilité             1   12 700,00   12 700,00

Base HT        Taux      Montant TVA         Total HT      12 700,00
12 700,00    20,00       2 540,00         Total TVA      2 540,00
                                               Total TTC    15 240,00
                                               Acompte          0,00
                                               NET À PAYER 15 240,00 EUR
Date d'échéance : 30/01/2024
""",
    ),
    "stacked-labels-de": (
        {
            "invoice_number": "2024-00117",
            "issue_date": "2024-02-01",
            "currency": "EUR",
            "total": "1428.00",
            "untaxed": "1200.00",
            "tax": "228.00",
            "seller": "Feldmann Messtechnik GmbH",
            "buyer": "Labor Dr. Engel",
            "iban": "DE21500500009876543210",
            "vat": "DE136695976",
        },
        """Feldmann Messtechnik GmbH, Am Anger 5, 99084 Erfurt
Labor Dr. Engel
Frau Dr. Engel
Lutherstr. 12
07743 Jena
Rechnungsnummer
Rechnungsdatum
Kundennummer
2024-00117
01.02.2024
30991
Rechnung
Pos. Bezeichnung Menge Einheit Preis/Einheit Betrag
1 Kalibrierung Waage 3 Stk 400,00 EUR 1.200,00 EUR
Zwischensumme (netto) 1.200,00 EUR
Umsatzsteuer 19 % 228,00 EUR
Gesamtbetrag 1.428,00 EUR
Zahlbar bis 15.02.2024 ohne Abzug.
Bankverbindung
Helaba IBAN DE21 5005 0000 9876 5432 10
BIC HELADEFF
USt-IdNr. DE136695976
Geschäftsführer: Jan Feldmann
Amtsgericht Jena HRB 502211
""",
    ),
    "stacked-fr": (
        {
            "invoice_number": "FAC-2024-0032",
            "issue_date": "2024-05-07",
            "currency": "EUR",
            "total": "540.00",
            "untaxed": "450.00",
            "tax": "90.00",
            "seller": "Atelier Lumen",
            "buyer": "Mairie de Saint-Aubin",
            "iban": "FR7630006000011234567890189",
            "vat": "FR83404833048",
        },
        """FACTURE
Atelier Lumen
3 rue du Four
35000 Rennes
SIRET 404 833 048 00022
N° TVA intracommunautaire : FR83404833048
Mairie de Saint-Aubin
Place de l'Église
35250 Saint-Aubin
Numéro de facture
Date d'émission
Date d'échéance
FAC-2024-0032
07/05/2024
06/06/2024
Description Quantité Prix unitaire HT TVA Total HT
Dépannage éclairage 5 h 90,00 € 20 % 450,00 €
Total HT
TVA 20 %
Total TTC
450,00 €
90,00 €
540,00 €
Coordonnées bancaires
IBAN : FR76 3000 6000 0112 3456 7890 189
""",
    ),
    "couple-de": (
        {
            "invoice_number": "24/0319",
            "issue_date": "2024-03-25",
            "currency": "EUR",
            "total": "684.25",
            "untaxed": "575.00",
            "tax": "109.25",
            "seller": "Malerbetrieb Uwe Sander",
            "buyer": "Brückner",
            "iban": "DE02120300000000202051",
            "vat": None,
        },
        """Malerbetrieb Uwe Sander
Meisterbetrieb seit 1988
Lindenallee 14
16816 Neuruppin
Tel. 03391 000000

Ehepaar
Brückner
Seeweg 2
16831 Rheinsberg

Neuruppin, 25.03.2024

Rechnung 24/0319
Bauvorhaben: Seeweg 2, Ausführung 11.03. - 15.03.2024

Pos 1 Wände streichen 50 m² x 11,50 € 575,00 €
Netto 575,00 €
19% MwSt 109,25 €
Brutto 684,25 €
Im Bruttobetrag sind Lohnkosten von 420,00 € (inkl. MwSt.) enthalten (§ 35a EStG).
Zahlbar sofort ohne Abzug auf IBAN DE02 1203 0000 0000 2020 51
St.-Nr. 053/123/04567
""",
    ),
    "apostrophes-two-rates-ch": (
        {
            "invoice_number": "RG-2024/0815",
            "issue_date": "2024-03-03",
            "currency": "CHF",
            "total": "12845.75",
            "untaxed": "11960.00",
            "tax": "885.75",
            "seller": "Bergblick Catering AG",
            "buyer": "Stiftung Sonnenhalde",
            "iban": "CH9300762011623852957",
            "vat": "CHE116281710",
        },
        """Bergblick Catering AG
Seestrasse 40
8800 Thalwil

Stiftung Sonnenhalde
Frau R. Amstutz
Hügelweg 2
8604 Volketswil

Thalwil, 03.03.24

RECHNUNG RG-2024/0815
Ihre Bestellung vom 12.02.24

Bezeichnung                     Menge   Ansatz       Betrag CHF
Bankett 120 Personen              120    88.00       10’560.00
Personal                            1  1’400.00       1’400.00

Total exkl. MWST                                     11’960.00
MWST 8.1%  auf     -.--
MWST 2.6%  auf  1’517.27                                 39.45
MWST 8.1%  auf 10’448.15                                846.30
Total inkl. MWST                                     12’845.75

Zahlbetrag CHF 12’845.75 zahlbar innert 30 Tagen
IBAN CH93 0076 2011 6238 5295 7     CHE-116.281.710 MWST
""",
    ),
    "three-rates-fr": (
        {
            "invoice_number": "F/2024/03/0117",
            "issue_date": "2024-03-03",
            "currency": "EUR",
            "total": "3402.50",
            "untaxed": "3100.00",
            "tax": "302.50",
            "seller": "Maison Perret SARL",
            "buyer": "Hôtel des Tilleuls",
            "iban": "FR1420041010050500013M02606",
            "vat": "FR83404833048",
        },
        """                                                   Lyon, le 3 mars 2024
Facture n° F/2024/03/0117

Client :
Hôtel des Tilleuls
22 cours Gambetta
69003 LYON

Désignation                              Qté        PU HT      TVA      Montant HT
Vins et spiritueux                        30        20,00     20 %         600,00
Épicerie fine                              1     1\u202f500,00    5,5 %     1\u202f500,00
Prestation traiteur                        1     1\u202f000,00     10 %    1\u202f000,00

Taux      Base HT      Montant TVA
5,5 %     1\u202f500,00        82,50
10 %      1\u202f000,00       100,00
20 %        600,00       120,00
Total HT                3\u202f100,00 €
Total TVA                 302,50 €
Total TTC               3\u202f402,50 €
Consigne                   39,00 €
Net à payer             3\u202f441,50 €

Maison Perret SARL au capital de 10 000 € – 14 rue Mercière, 69002 Lyon
RCS Lyon 404 833 048 – TVA FR83 404 833 048 – IBAN FR14 2004 1010 0505 0001 3M02 606
""",
    ),
    "letterhead-beside-numbers-en": (
        {
            "invoice_number": "INV/24-25/0093",
            "issue_date": "2024-04-09",
            "currency": "GBP",
            "total": "2034.60",
            "untaxed": "1740.50",
            "tax": "294.10",
            "seller": "Copperfield Joinery Ltd",
            "buyer": "St Anselm's Primary School",
            "iban": "GB29NWBK60161331926819",
            "vat": "GB123456782",
        },
        """Copperfield Joinery Ltd                              INVOICE
Unit 9 Weaver's Yard                                 No:        INV/24-25/0093
Halifax HX1 5AB                                      Date:      9th April 2024
                                                     Due:       9th May 2024
Bill to                          Deliver to
St Anselm's Primary School       Caretaker's entrance
Abbey Road                       Mill Lane
Leeds LS5 3NG                    Leeds LS5 3NG

Qty  Description                     Unit      VAT %     Amount
2    Oak door                      600.00       20      1,200.00
1    Energy saving panels          270.50        0        270.50
1    Fitting                       270.00       20        270.00

VAT summary      Net         VAT
S 20%         1,470.00    294.00
R 5%              2.00      0.10
Z 0%            268.50      0.00
              Subtotal   £1,740.50
              VAT          £294.10
              Amount due £2,034.60

VAT No. GB 123 4567 82  -  NatWest IBAN GB29 NWBK 6016 1331 9268 19
""",
    ),
    "zahlbetrag-de": (
        {
            "invoice_number": "4711/24",
            "issue_date": "2024-03-03",
            "currency": "EUR",
            "total": "1523.42",
            "untaxed": "1330.00",
            "tax": "193.42",
            "seller": "Hofladen Kestermann",
            "buyer": "Kindertagesstätte Pusteblume e.V.",
            "iban": "DE89370400440532013000",
            "vat": "DE136695976",
        },
        """Hofladen Kestermann, Inh. Paul Kestermann, Dorfstr. 1, 49477 Ibbenbüren

Kindertagesstätte Pusteblume e.V.
Birkenweg 7
49477 Ibbenbüren

Rechnung                        Rechnungs-Nr. 4711/24
                                Datum:        03.03.24
                                Lieferung:    Februar 2024

Artikel                    Menge    E-Preis    USt   Gesamt
Obst und Gemüse            1 Mon.    494,00      7   494,00
Getränke                   1 Mon.    836,00     19   836,00

         Netto       USt-Satz    USt        Brutto
        494,00         7 %      34,58       528,58
        836,00        19 %     158,84       994,84
      1.330,00                 193,42     1.523,42

Zahlbetrag: 1.523,42 EUR    fällig am 17.03.24

IBAN: DE89 3704 0044 0532 0130 00   USt-IdNr.: DE136695976
""",
    ),
    "partial-credit-fr": (
        {
            "invoice_number": "AV-2024-009",
            "issue_date": "2024-03-01",
            "currency": "EUR",
            "total": "-180.00",
            "untaxed": "-150.00",
            "tax": "-30.00",
            "seller": "Imprimerie Vasseur SAS",
            "buyer": "Librairie Le Pont",
            "iban": "FR7630006000011234567890189",
            "vat": "FR83404833048",
        },
        """AVOIR N° AV-2024-009
Du 1er mars 2024
Annule partiellement la facture FA-2024-101 du 15 février 2024

À l'attention de
Librairie Le Pont
5 quai Voltaire
75007 Paris

Libellé                              Montant HT
Retour 10 catalogues                    -150,00

Total HT        -150,00 €
TVA 20,00 %      -30,00 €
Total de l'avoir -180,00 €

Imprimerie Vasseur SAS - 12 rue des Frères - 59000 Lille
SIRET 404 833 048 00022 - TVA FR83404833048
IBAN FR76 3000 6000 0112 3456 7890 189
""",
    ),
    "no-postcode-ie": (
        {
            "invoice_number": "2024-03/IE/7",
            "issue_date": "2024-03-28",
            "currency": "EUR",
            "total": "4612.50",
            "untaxed": "3750.00",
            "tax": "862.50",
            "seller": "Aoife Brennan Translations",
            "buyer": None,
            "iban": "IE29AIBK93115212345678",
            "vat": "IE6388047V",
        },
        """Aoife Brennan Translations
14 Lower Mount Street, Dublin 2
VAT: IE6388047V

28 March 2024

Kerrow Pharma DAC
Attn. Accounts Payable
Ringaskiddy, Co. Cork

Invoice ref. 2024-03/IE/7 - PO number 45001234

Regulatory translation, 25,000 words @ €0.15 ........ €3,750.00
VAT @ 23% ........................................... €862.50
TOTAL PAYABLE ....................................... €4,612.50

Please remit within 30 days to IE29 AIBK 9311 5212 3456 78.
""",
    ),
    "country-before-vat-label-en": (
        {
            "invoice_number": "7F3A21C0-0009",
            "issue_date": "2024-07-01",
            "currency": "USD",
            "total": "58.80",
            "untaxed": "49.00",
            "tax": "9.80",
            "seller": "Plumeline Software Ltd",
            "buyer": "Atelier Nordsee GmbH",
            "vat": "IE6388047V",
            "iban": None,
        },
        """Invoice
Invoice number 7F3A21C0-0009
Date of issue July 1, 2024
Date due July 1, 2024
Plumeline Software Ltd
3 Grand Canal Plaza
Dublin 4
Ireland
billing@plumeline.example
IE VAT IE6388047V
Bill to
Atelier Nordsee GmbH
Deichweg 4
26548 Norderney
Germany
$58.80 due July 1, 2024
Pay online
Description Qty Unit price Tax Amount
Team plan (per seat)
Jul 1 – Aug 1, 2024
7 $7.00 20% $49.00
Subtotal $49.00
Total excluding tax $49.00
VAT - Germany (20% on $49.00) $9.80
Total $58.80
Amount due $58.80
""",
    ),
    "water-bill-it": (
        {
            "invoice_number": "0000412903345",
            "issue_date": "2024-02-14",
            "currency": "EUR",
            "total": "146.40",
            "untaxed": "120.00",
            "tax": "26.40",
            "seller": "Acque del Piave S.p.A.",
            "buyer": "Condominio Le Magnolie",
            "vat": "IT00743110157",
            "iban": None,
        },
        """Acque del Piave S.p.A.
Sede legale: Via Fiume 5, 31100 Treviso - P. IVA 00743110157

Intestatario
Condominio Le Magnolie
Via Verdi 20
31100 Treviso

BOLLETTA n. 0000412903345 del 14/02/2024
Periodo: 01/11/2023 - 31/01/2024
Scadenza 15/03/2024

Quota fissa                       20,00
Consumi 80 mc x 1,25             100,00
Totale imponibile                120,00
IVA 22%                           26,40
TOTALE DA PAGARE              € 146,40
""",
    ),
    "vat-above-buyer-ch": (
        {
            "invoice_number": "F-10023",
            "issue_date": "2024-10-07",
            "currency": "CHF",
            "total": "1297.20",
            "untaxed": "1200.00",
            "tax": "97.20",
            "seller": "Menuiserie Rochat Sàrl",
            "buyer": "Commune de Vully",
            "iban": "CH9300762011623852957",
            "vat": "CHE116281710",
        },
        """Menuiserie Rochat Sàrl
Rte de Lausanne 14
1400 Yverdon-les-Bains
CHE-116.281.710 TVA
                                     Commune de Vully
                                     Administration
                                     Rte Principale 1
                                     1786 Sugiez

Yverdon, le 7 octobre 2024
Facture F-10023

Réparation porte d'entrée               CHF 1'200.00
Sous-total HT                           CHF 1'200.00
TVA 8.1 %                               CHF    97.20
Total à payer dans les 30 jours         CHF 1'297.20
IBAN CH93 0076 2011 6238 5295 7
""",
    ),
}
