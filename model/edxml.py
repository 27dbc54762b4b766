"""edXML: the document that travels over the National Document Interconnection Axis (QCVN 102:2016/BTTTT).

The namespace, the names and nesting of the elements, how dates are written, and that attached files stand in base64
beside the envelope are as in public implementations of the regulation [P]. Ours [A]: which elements must be there;
those that aren't named here (SignerInfo, DueDate, ToPlaces, OtherInfo, Bussiness, …) are passed over, and signatures
aren't checked; attached files aren't zipped; a DocumentId is of letters, digits and ``. _ : -``, in place of
``OrganId,yyyy/MM/dd,number/notation``; a document is UTF-8 and has no document type declaration, hence no entities.
"""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from xml.parsers import expat
from xml.sax.saxutils import escape

import msgspec

NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
XLINK = "http://www.w3.org/1999/xlink"
LIMIT = 1 << 20  # bytes of a whole document [A]
DEPTH = 20  # elements within each other [A]
ELEMENTS = 5_000  # of a document: 200 recipients and 20 files need some 600 [A]
MESSAGE = "edXMLEnvelope/edXMLHeader/MessageHeader"
MANIFEST = "edXMLEnvelope/edXMLBody/edXMLManifest"
TRACES = "edXMLEnvelope/edXMLHeader/TraceHeaderList"
_OURS = f"{NAMESPACE} "
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

OrganId = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9][A-Z0-9.]*$", max_length=40)]
DocumentId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._:-]+$", max_length=80)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Recipients = Annotated[list[OrganId], msgspec.Meta(min_length=1, max_length=200)]
Content = Annotated[str, msgspec.Meta(max_length=100_000)]
Day = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}/[0-9]{2}/[0-9]{2}$", max_length=10)]
Moment = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$", max_length=19)]


class EdxmlError(ValueError):
    """What should be an edXML document isn't one; the message is one line that says why."""


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attached file; in JSON its ``Content`` is base64."""

    AttachmentName: Text
    ContentType: Text
    Content: bytes


Attachments = Annotated[list[Attachment], msgspec.Meta(max_length=20)]


class Envelope(msgspec.Struct, frozen=True):
    """What an edXML document says.

    Attributes:
        DocumentId: Its name on the axis.
        From: OrganId of the sender.
        To: OrganIds of the recipients.
        CodeNumber: Its number in the sender's register (số).
        CodeNotation: Its notation (ký hiệu), as ``UBND-VP``.
        Place: Where it was promulgated.
        PromulgationDate: When, ``yyyy/MM/dd``.
        TypeName: Its type, as "Công văn".
        Subject: Its abstract (trích yếu).
        Content: Its text, in short.
        Timestamp: When the sender sent it, ``yyyy/MM/dd HH:mm:ss``: of the first trace.
        Attachments: The attached files.
    """

    DocumentId: DocumentId
    From: OrganId
    To: Recipients
    CodeNumber: Text
    CodeNotation: Text
    Place: Text
    PromulgationDate: Day
    TypeName: Text
    Subject: Text
    Content: Content
    Timestamp: Moment
    Attachments: Attachments

    def meaning(self) -> dict[str, object]:
        """Return what its sender wants to say, whatever the envelope adds: what the audit compares."""
        return {name: getattr(self, name) for name in MEANING}


MEANING = ("DocumentId", "From", "To", "CodeNumber", "CodeNotation", "Subject", "Content", "Attachments")


def compose(envelope: Envelope) -> bytes:
    """Write an envelope as edXML; raises EdxmlError where a text can't stand in XML, or the whole is too large."""
    files = [(f"{envelope.DocumentId}.{number}", file) for number, file in enumerate(envelope.Attachments, 1)]
    header = _within("MessageHeader", _message(envelope)) + _trace(envelope)
    manifest = "".join(_reference(name, file) for name, file in files)
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="{NAMESPACE}" xmlns:xlink="{XLINK}">'
        f'<edXML:edXMLEnvelope xmlns:edXML="{NAMESPACE}">{_within("edXMLHeader", header)}'
        f'<edXML:edXMLBody><edXML:edXMLManifest version="1.0">{manifest}</edXML:edXMLManifest></edXML:edXMLBody>'
        f"</edXML:edXMLEnvelope>{_encoded(files)}</edXML>\n"
    )
    wrong = _NOT_IN_XML.search(text)
    if wrong is not None:
        raise EdxmlError(f"U+{ord(wrong[0]):04X} can't stand in XML")
    return _bounded(text.encode())


def _message(envelope: Envelope) -> str:
    promulgation = _tag("Place", envelope.Place) + _tag("PromulgationDate", envelope.PromulgationDate)
    return "".join(
        (
            _within("From", _tag("OrganId", envelope.From)),
            *(_within("To", _tag("OrganId", organ)) for organ in envelope.To),
            _within("Code", _tag("CodeNumber", envelope.CodeNumber) + _tag("CodeNotation", envelope.CodeNotation)),
            _within("PromulgationInfo", promulgation),
            _within("DocumentType", _tag("TypeName", envelope.TypeName)),
            _tag("Subject", envelope.Subject),
            _tag("Content", envelope.Content),
            _tag("DocumentId", envelope.DocumentId),
        )
    )


def _trace(envelope: Envelope) -> str:
    trace = _tag("OrganId", envelope.From) + _tag("Timestamp", envelope.Timestamp)
    return _within("TraceHeaderList", _within("TraceHeader", trace))


def _reference(name: str, file: Attachment) -> str:
    described = _tag("AttachmentName", file.AttachmentName) + _tag("ContentType", file.ContentType)
    link = f'xlink:href="cid:{name}" xlink:role="XLinkRole" xlink:type="simple"'
    return f"<edXML:Reference {link}>{described}{_tag('ContentId', f'cid:{name}')}</edXML:Reference>"


def _encoded(files: Sequence[tuple[str, Attachment]]) -> str:
    """Write the attached files as they stand beside the envelope: elements without prefix, names without ``cid:``."""
    if not files:
        return ""
    attached = (
        f"<Attachment><ContentType>{_escaped(file.ContentType)}</ContentType><ContentId>{name}</ContentId>"
        f"<ContentTransferEncoded>{binascii.b2a_base64(file.Content, newline=False).decode()}</ContentTransferEncoded>"
        f"<AttachmentName>{_escaped(file.AttachmentName)}</AttachmentName></Attachment>"
        for name, file in files
    )
    return f"<AttachmentEncoded>{''.join(attached)}</AttachmentEncoded>"


def _tag(name: str, text: str) -> str:
    return _within(name, _escaped(text))


def _within(name: str, content: str) -> str:
    return f"<edXML:{name}>{content}</edXML:{name}>"


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})  # a reader makes a line feed of a bare one


def read(raw: bytes) -> Envelope:
    """Read an edXML document; raises EdxmlError.

    No document type declaration, hence no entity, is taken; no more than ``LIMIT`` bytes are.
    """
    root = _parsed(_bounded(raw))
    message = _one(root, MESSAGE)
    fields = {
        "From": _word(message, "From/OrganId"),
        "To": [_word(to, "OrganId") for to in message.all("To")],
        "CodeNumber": _text(message, "Code/CodeNumber"),
        "CodeNotation": _text(message, "Code/CodeNotation"),
        "Place": _text(message, "PromulgationInfo/Place"),
        "PromulgationDate": _word(message, "PromulgationInfo/PromulgationDate"),
        "TypeName": _text(message, "DocumentType/TypeName"),
        "Subject": _text(message, "Subject"),
        "Content": _text(message, "Content"),
        "DocumentId": _word(message, "DocumentId"),
        "Timestamp": _first_trace(_one(root, TRACES)),
        "Attachments": _attachments(root),
    }
    try:
        return msgspec.convert(fields, Envelope)
    except msgspec.ValidationError as error:
        raise EdxmlError(str(error)) from None


@dataclass(slots=True)
class _Element:
    """An element of the document; ``name`` is empty where it is of another namespace."""

    name: str
    text: str = ""
    children: list["_Element"] = field(default_factory=list)

    def all(self, name: str) -> list["_Element"]:
        return [child for child in self.children if child.name == name]


class _Tree:
    """Makes elements of what a parser tells; takes no more of them than a document may have."""

    def __init__(self) -> None:
        self._open = [_Element("")]
        self._left = ELEMENTS

    @property
    def root(self) -> _Element:
        return self._open[0].children[0]

    def start(self, name: str, _attributes: object) -> None:
        self._left -= 1
        if len(self._open) > DEPTH or self._left < 0:
            raise EdxmlError(f"more than {DEPTH} elements within each other, or {ELEMENTS} in all")
        element = _Element(name.removeprefix(_OURS) if name.startswith(_OURS) else "")
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text += text


def _bounded(raw: bytes) -> bytes:
    if len(raw) > LIMIT:
        raise EdxmlError(f"the document is larger than {LIMIT} bytes")
    return raw


def _parsed(raw: bytes) -> _Element:
    """Parse a document into its root."""
    parser, tree = expat.ParserCreate(namespace_separator=" "), _Tree()
    parser.buffer_text = True
    parser.XmlDeclHandler = _check_encoding
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    try:
        parser.Parse(_utf8(raw), True)
    except expat.ExpatError as error:
        raise EdxmlError(f"not XML: {error}") from None
    if tree.root.name != "edXML":
        raise EdxmlError(f"the root isn't edXML of the namespace {NAMESPACE}")
    return tree.root


def _utf8(raw: bytes) -> str:
    """Decode a document; the parser would take UTF-16 for what it is as well, which has a NUL in every tag."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise EdxmlError("not UTF-8") from None
    if "\0" in text:
        raise EdxmlError("not UTF-8, or U+0000 is in it")
    return text


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if (encoding or "utf-8").lower() != "utf-8":
        raise EdxmlError("the encoding must be UTF-8")


def _refuse_doctype(*_: Any) -> None:
    raise EdxmlError("a document type declaration isn't allowed")


def _one(element: _Element, path: str) -> _Element:
    """Follow a path of elements each of which must be there once."""
    for name in path.split("/"):
        found = element.all(name)
        if len(found) != 1:
            raise EdxmlError(f"{element.name}: {name} {'comes twice' if found else 'is missing'}")
        element = found[0]
    return element


def _text(element: _Element, path: str) -> str:
    found = _one(element, path)
    if found.children:
        raise EdxmlError(f"{path}: must be text")
    return found.text


def _word(element: _Element, path: str) -> str:
    """Return a text around which white space means nothing."""
    return _text(element, path).strip()


def _first_trace(traces: _Element) -> str:
    stamps = [(_word(trace, "OrganId"), _word(trace, "Timestamp")) for trace in traces.all("TraceHeader")]
    if not stamps:
        raise EdxmlError("TraceHeaderList: TraceHeader is missing")
    return stamps[0][1]


def _attachments(root: _Element) -> list[dict[str, object]]:
    """Return the attached files in the order of the manifest, each with the content that goes by its ContentId."""
    encoded = [file for part in root.all("AttachmentEncoded") for file in part.all("Attachment")]
    contents = {_content_id(file): file for file in encoded}
    references = {_content_id(reference): reference for reference in _one(root, MANIFEST).all("Reference")}
    if contents.keys() != references.keys() or len(encoded) != len(contents):
        raise EdxmlError("edXMLManifest and AttachmentEncoded don't name the same files, each once")
    return [
        {
            "AttachmentName": _text(reference, "AttachmentName"),
            "ContentType": _text(reference, "ContentType"),
            "Content": _decoded(contents[name]),
        }
        for name, reference in references.items()
    ]


def _content_id(element: _Element) -> str:
    return _word(element, "ContentId").removeprefix("cid:")


def _decoded(file: _Element) -> bytes:
    try:
        return binascii.a2b_base64("".join(_text(file, "ContentTransferEncoded").split()), strict_mode=True)
    except ValueError as error:
        raise EdxmlError(f"ContentTransferEncoded: {error}") from None
