"""edXML documents: what is written is what is read, and nothing is read that isn't one."""

from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import edxml
from model.edxml import ELEMENTS, LIMIT, NAMESPACE, Attachment, EdxmlError, Envelope, compose, read

ILLEGAL = "".join(chr(code) for code in range(32) if chr(code) not in "\t\n\r") + "\ufffe\uffff"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=ILLEGAL), min_size=1, max_size=40)
ORGAN = st.from_regex("[A-Z0-9][A-Z0-9.]{0,20}", fullmatch=True)
ENVELOPES = st.builds(
    Envelope,
    DocumentId=st.from_regex("[A-Za-z0-9._:-]{1,80}", fullmatch=True),
    From=ORGAN,
    To=st.lists(ORGAN, min_size=1, max_size=5),
    CodeNumber=TEXT,
    CodeNotation=TEXT,
    Place=TEXT,
    PromulgationDate=st.dates().map(lambda day: f"{day.year:04}/{day.month:02}/{day.day:02}"),
    TypeName=TEXT,
    Subject=TEXT,
    Content=st.just("") | TEXT,
    Timestamp=st.just("2025/07/01 08:00:00"),
    Attachments=st.lists(st.builds(Attachment, TEXT, TEXT, st.binary()), max_size=3),
)
GOOD = Envelope(
    "VB-1", "H01", ["H79", "H48"], "12", "UBND-VP", "Hà Nội", "2025/07/01", "Công văn", "V/v sắp xếp", "Kính gửi",
    "2025/07/01 08:00:00", [Attachment("a.txt", "text/plain", b"a"), Attachment("b.txt", "text/plain", b"b")],
)  # fmt: skip
RAW = compose(GOOD)


@given(ENVELOPES)
@settings(max_examples=30)
def test_what_is_written_is_what_is_read(envelope: Envelope) -> None:
    assert read(compose(envelope)) == envelope


@given(st.binary(max_size=60), st.integers(0, len(RAW)), st.integers(0, 60))
@settings(max_examples=60)
def test_a_document_with_other_bytes_in_it_is_read_or_refused_in_one_line(junk: bytes, start: int, cut: int) -> None:
    said = ""
    try:
        read(RAW[:start] + junk + RAW[start + cut :])
    except EdxmlError as error:
        said = str(error) or "\n"
    assert "\n" not in said


def changed(old: str, new: str = "") -> bytes:
    text = RAW.decode()
    assert old in text
    return text.replace(old, new).encode()


WORD = "<edXML:Subject>V/v sắp xếp</edXML:Subject>"
FILE = "<edXML:ContentId>cid:VB-1.1</edXML:ContentId>"
ROOT = f'<edXML xmlns="{NAMESPACE}"'
LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "not XML"),
        (b'{"DocumentId": "VB-1"}', "not XML"),
        (RAW[:-20], "not XML"),
        (RAW + RAW, "not XML"),
        (changed("V/v", "&chưa-khai-báo;"), "not XML"),
        (RAW.replace(b"V/v", b"\xff\xfe"), "not UTF-8"),
        (RAW.replace(b"V/v", b"\xed\xa0\x80"), "not UTF-8"),
        (RAW.decode().encode("utf-16"), "not UTF-8"),
        (f"{ROOT}/>".encode("utf-16-le"), "not UTF-8"),
        (changed("UTF-8", "ISO-8859-1"), "must be UTF-8"),
        (changed(ROOT, f"<!DOCTYPE edXML [{LAUGHS}]>{ROOT}").replace(b"V/v", b"&a11;"), "document type"),
        (changed(ROOT, f'<!DOCTYPE edXML [<!ENTITY x SYSTEM "file:///etc/passwd">]>{ROOT}'), "document type"),
        (changed(ROOT, f'<!DOCTYPE edXML SYSTEM "http://example.invalid/x.dtd">{ROOT}'), "document type"),
        (changed(NAMESPACE, "http://www.e-doc.vn/Schema/"), "namespace"),
        (changed("edXMLEnvelope", "Envelope"), "edXML: edXMLEnvelope is missing"),
        (changed(WORD), "MessageHeader: Subject is missing"),
        (changed(WORD, WORD * 2), "MessageHeader: Subject comes twice"),
        (changed(WORD, WORD + WORD.replace("edXML:", "")), "MessageHeader: Subject comes twice"),
        (changed("V/v", "<edXML:b/>"), "Subject: must be text"),
        (changed("<edXML:To>", "<edXML:Cc>").replace(b"</edXML:To>", b"</edXML:Cc>"), "$.To"),
        (changed("2025/07/01<", "1/7/2025<"), "$.PromulgationDate"),
        (changed("<edXML:TraceHeader>", "<edXML:T>").replace(b"</edXML:TraceHeader>", b"</edXML:T>"), "TraceHeader is"),
        (changed(">H01<", ">h01; DROP<"), "$.From"),
        (changed(FILE, FILE.replace(".1", ".9")), "the same files"),
        (changed(FILE, FILE.replace(".1", ".2")), "the same files"),
        (changed("<ContentId>VB-1.1", "<ContentId>VB-1.2"), "the same files"),
        (changed(FILE), "Reference: ContentId is missing"),
        (changed(">YQ==<", ">YQ=<"), "ContentTransferEncoded"),
        (changed(WORD, WORD + "<edXML:x>" * 30 + "</edXML:x>" * 30), "within each other"),
        (changed(WORD, WORD + "<x/>" * ELEMENTS), "in all"),
        (changed("Kính gửi", "x" * LIMIT), "larger than"),
    ],
)  # fmt: skip
def test_what_is_no_edxml_is_refused_with_the_reason(raw: bytes, word: str) -> None:
    with pytest.raises(EdxmlError) as caught:
        read(raw)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + RAW,
        changed(">H01<", ">\n\t H01 \n<"),
        changed("V/v sắp", "<![CDATA[V/v]]> s&#x1EAF;p"),
        changed(WORD, f'{WORD}<edXML:DueDate/><Subject xmlns="urn:x">other</Subject>'),
        changed("edXML:", "ed:").replace(b"xmlns:edXML", b"xmlns:ed"),
        changed(">YQ==<", ">\r\n YQ\n==<"),
        changed("<ContentId>VB", "<ContentId>cid:VB"),
    ],
)
def test_the_same_document_as_other_software_may_write_it(raw: bytes) -> None:
    """Marks, white space, character references, elements that we don't read, prefixes, ``cid:``."""
    assert read(raw) == GOOD


def test_two_readers_of_xml_agree() -> None:
    """The standard library's own tree, followed by namespaces, says the same as our reader."""
    root = ElementTree.fromstring(RAW)  # noqa: S314  # written by us, above
    names = {"e": NAMESPACE}
    assert [e.text for e in root.iterfind(f"e:{edxml.MESSAGE.replace('/', '/e:')}/e:To/e:OrganId", names)] == GOOD.To
    assert root.findtext(".//e:Subject", namespaces=names) == GOOD.Subject
    assert [e.text for e in root.iterfind("e:AttachmentEncoded/e:Attachment/e:ContentTransferEncoded", names)] == [
        "YQ==",
        "Yg==",
    ]


@pytest.mark.parametrize("text", ["a\x00", "\x1b[2J", "\ufffe", "\ud800"])
def test_what_cannot_stand_in_xml_is_not_written(text: str) -> None:
    with pytest.raises(EdxmlError, match=f"U\\+{ord(text.strip('a')[0]):04X} can't stand in XML"):
        compose(msgspec.structs.replace(GOOD, Subject=text))


def test_what_would_be_too_large_is_not_written() -> None:
    with pytest.raises(EdxmlError, match="larger than"):
        compose(msgspec.structs.replace(GOOD, Content="&" * LIMIT))
