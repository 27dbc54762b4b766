"""The axis as pages: its documents, and one of them with what became of it at each recipient."""

import sqlite3
from collections.abc import Callable

from mocks.pages import Page, Rows, Shelf, Table
from mocks.store import listed
from model import edxml
from model.edxml import Envelope

STATUSES = {
    "01": "đã đến",
    "02": "từ chối",
    "03": "đã tiếp nhận",
    "04": "phân công",
    "05": "đang xử lý",
    "06": "hoàn thành",
    "13": "lấy lại",
    "15": "đồng ý",
    "16": "từ chối cập nhật",
}

FACTS = (
    "From", "CodeNumber", "CodeNotation", "Place", "PromulgationDate", "TypeName", "Subject", "Content", "Timestamp",
)  # fmt: skip


def shelf(reader: Callable[[], sqlite3.Connection]) -> Shelf:
    """Return the shelf of the deliveries that the axis has made."""

    def read(after: int, limit: int) -> Rows:
        statement = """SELECT id, document, sender, recipient, status FROM deliveries
            WHERE id > ? ORDER BY id LIMIT ?"""
        return listed(reader(), statement, after, limit, lambda row: (*row[1:4], _status(row[4])))

    def one(document: str) -> Page | None:
        row = reader().execute("SELECT content FROM documents WHERE id = ?", (document,)).fetchone()
        return None if row is None else _page(reader(), edxml.read(row[0]))

    return Shelf("documents", "Văn bản (documents)", ("DocumentId", "Từ", "Đến", "Trạng thái"), read, one)


def _page(connection: sqlite3.Connection, document: Envelope) -> Page:
    statement = "SELECT recipient, status, reason FROM deliveries WHERE document = ? ORDER BY id"
    rows = connection.execute(statement, (document.DocumentId,)).fetchall()
    shown = [(recipient, _status(status), reason) for recipient, status, reason in rows]
    files = [(file.AttachmentName, file.ContentType, len(file.Content)) for file in document.Attachments]
    tables = [
        Table("Nơi nhận (recipients)", ("Đến", "Trạng thái", "Lý do"), shown),
        Table("Tệp đính kèm (attachments)", ("Tên", "Loại", "Byte"), files),
    ]
    return Page(f"Văn bản {document.DocumentId}", {name: getattr(document, name) for name in FACTS}, tables)


def _status(status: str) -> str:
    return f"{status} {STATUSES.get(status, '')}"
