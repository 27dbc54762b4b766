"""The system that tracks tasks given by the Government and the Prime Minister: units poll it and report progress."""

import sqlite3
from typing import Annotated, Literal

import msgspec
from prometheus_client import CollectorRegistry

from mocks import entries, keys
from mocks.entries import Entry
from mocks.keys import Keys
from mocks.pages import Page, Rows, Shelf, Table
from mocks.store import listed, row_id
from mocks.system import DurableSystem, Surroundings, created
from mocks.wire import Body, Call, Refusal, Reply, Route

GIVEN = (
    "Hoàn thành bàn giao hồ sơ cấp huyện",
    "Bảo đảm hạ tầng tại Trung tâm Phục vụ hành chính công cấp xã",
    "Báo cáo tình hình vận hành chính quyền địa phương hai cấp",
)
"""Tasks that every province of the stack is given [A]."""


class TaskQuery(Body):
    """Whose tasks: a province (``H01``); empty: everybody's."""

    unit: Annotated[str, msgspec.Meta(pattern="^(H[0-9]{2})?$", max_length=3)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class Task(msgspec.Struct):
    """A task, and how often its unit has reported on it."""

    code: str
    unit: str
    text: str
    status: str
    reports: int


class Tasks(msgspec.Struct):
    """Tasks in the order in which they were given."""

    items: list[Task]


class Progress(Body):
    """How far a unit is with a task."""

    status: Literal["doing", "done"]
    text: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Progressed(msgspec.Struct):
    """A report of progress was noted."""

    code: str
    status: str
    sequence: int = 1
    error_code: int = 0


class TaskTracking(DurableSystem):
    """Keeps tasks and what was reported on them."""

    schema = f"""{keys.SCHEMA}
        CREATE TABLE IF NOT EXISTS tasks(
            id INTEGER PRIMARY KEY, unit TEXT NOT NULL, text TEXT NOT NULL, status TEXT NOT NULL, UNIQUE(unit, text));
        CREATE TABLE IF NOT EXISTS progress(
            id INTEGER PRIMARY KEY AUTOINCREMENT, task INTEGER NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL,
            text TEXT NOT NULL);
        CREATE INDEX IF NOT EXISTS progress_task ON progress(task);
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._keys = Keys(surroundings.defects.on("duplicate-on-retry"))

    async def start(self) -> None:
        """Start the committer, and give every province its tasks."""
        await super().start()
        rows = [(f"H{code}", text) for code in self.surroundings.provinces for text in GIVEN]
        statement = "INSERT INTO tasks(unit, text, status) VALUES(?, ?, 'given') ON CONFLICT DO NOTHING"
        await self.store.write(lambda connection: connection.executemany(statement, rows))

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route("GET", "/tasks", "tasks", self.tasks, TaskQuery, Tasks, "query"),
            Route(
                "POST", "/tasks/{code}/progress", "progress", self.progress, Progress, Progressed,
                status=201, keyed=True, refuses=(404,),
            ),
            entries.route(self.page),
        )  # fmt: skip

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of its tasks."""
        columns = ("Mã", "Đơn vị", "Nhiệm vụ", "Trạng thái")
        return (Shelf("tasks", "Nhiệm vụ (tasks)", columns, self._listed, self._task_page),)

    def _listed(self, after: int, limit: int) -> Rows:
        statement = "SELECT id, unit, text, status FROM tasks WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, lambda row: (_code(row[0]), *row[1:]))

    def _task_page(self, code: str) -> Page | None:
        statement = "SELECT unit, text, status FROM tasks WHERE id = ?"
        row = self.store.reader.execute(statement, (_number(code),)).fetchone()
        if row is None:
            return None
        statement = "SELECT status, text FROM progress WHERE task = ? ORDER BY id"
        reports = self.store.reader.execute(statement, (_number(code),)).fetchall()
        facts = dict(zip(("Đơn vị (unit)", "Nhiệm vụ (task)", "Trạng thái (status)"), row, strict=True))
        return Page(f"Nhiệm vụ {code}", facts, [Table("Tiến độ (progress)", ("Trạng thái", "Nội dung"), reports)])

    async def tasks(self, call: Call[TaskQuery]) -> Tasks:
        """List tasks."""
        statement = """SELECT id, unit, text, status, (SELECT count(*) FROM progress WHERE task = tasks.id)
            FROM tasks WHERE ?1 = '' OR unit = ?1 ORDER BY id LIMIT ?2"""
        rows = self.store.reader.execute(statement, (call.content.unit, call.content.limit))
        return Tasks([Task(_code(row[0]), *row[1:]) for row in rows])

    async def progress(self, call: Call[Progress]) -> Reply:
        """Note how far a task is."""
        return await self._keys.once(self.store, call, lambda connection: self._note(connection, call))

    def _note(self, connection: sqlite3.Connection, call: Call[Progress]) -> Reply:
        code, report = call.path["code"], call.content
        number = _number(code)
        statement = "UPDATE tasks SET status = ? WHERE id = ?"
        if connection.execute(statement, (report.status, number)).rowcount == 0:
            raise Refusal(404, "unknown", "no task has this code")
        if not self.surroundings.defects.hits("tasks-lost-progress", call.key):
            statement = "INSERT INTO progress(task, key, status, text) VALUES(?, ?, ?, ?)"
            connection.execute(statement, (number, call.key, report.status, report.text))
        return created(201, Progressed(code, report.status))

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return the reports of progress in the order of storing, and where to go on."""
        statement = """SELECT progress.id, key, unit FROM progress JOIN tasks ON tasks.id = task
            WHERE progress.id > ? ORDER BY progress.id LIMIT ?"""
        return listed(self.store.reader, statement, after, limit, lambda row: Entry("progress", row[1], row[2], ""))


def _code(number: int) -> str:
    return f"NV{number:04d}"


def _number(code: str) -> int:
    return row_id(code.removeprefix("NV")) if len(code) == 6 else -1
