"""Documents for the axis."""

from model import edxml
from model.edxml import Attachment, Envelope

SENT = {"PromulgationDate": "2025/07/01", "Timestamp": "2025/07/01 08:00:00"}
LETTER = Attachment("cv.txt", "text/plain", b"K\xc3\xadnh g\xe1\xbb\xadi")
XML = {"Content-Type": "application/xml"}


def envelope(name="d1", to=("H01.00004", "H79"), **changes):
    """Return what a document from H01 says; ``changes`` by field."""
    fields = {
        "DocumentId": name, "From": "H01", "To": list(to), "CodeNumber": "12", "CodeNotation": "UBND-VP",
        "Place": "Hà Nội", "TypeName": "Công văn", "Subject": "V/v", "Content": "Kính gửi", "Attachments": [LETTER],
        **SENT, **changes,
    }  # fmt: skip
    return Envelope(**fields)


def document(name="d1", to=("H01.00004", "H79"), **changes):
    """Return the same as edXML."""
    return edxml.compose(envelope(name, to, **changes))
