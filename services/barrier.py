"""The barrier: every mutating request takes effect at most once, and never after its undo.

A request's key, its answer and its effect are written by one transaction, which holds the key
(and the key that it undoes) to its end. Whatever the caller repeats, reorders or runs twice:

- the same key with the same content gets the stored answer again, success or refusal;
- the same key with other content is `key-reused`;
- a key whose first request is still running is `in-progress`;
- an action whose undo took effect is `undone`, also when it comes after its undo.
"""

import hashlib
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.database import Database, in_progress
from services.problems import (
    INVALID_REQUEST,
    KEY_MISSING,
    KEY_REUSED,
    KEY_UNKNOWN,
    MEDIA_TYPE,
    UNDONE,
    ProblemRaised,
    ProblemType,
    Refused,
)
from services.resources import VOID, Resource, UtcDateTime, Versioned

_KEY_LENGTH = 1024

AnyResource = TypeVar("AnyResource", bound=Resource)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StoredOperation(SQLModel, table=True):
    """What became of a key; a tombstone (an undo that came first) has no request and no answer."""

    __tablename__ = "operations"

    key: str = Field(primary_key=True, sa_type=Text)
    method: str | None = None
    path: str | None = Field(default=None, sa_type=Text)
    request_hash: str | None = None
    response_status: int | None = None
    response_body: str | None = Field(default=None, sa_type=Text)
    undone: bool = False
    undone_by: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)


@dataclass(frozen=True)
class Operation:
    """One mutating request, in its transaction."""

    session: AsyncSession
    key: str
    undoes: str | None
    now: datetime

    async def insert(self, row: Versioned) -> None:
        """Insert `row` at once; if another request is inserting its id, answer `in-progress`."""
        self.session.add(row)
        try:
            await self.session.flush()
        except IntegrityError as error:
            raise in_progress() from error

    async def create(self, row: Resource, taken: ProblemType) -> None:
        """Insert a new resource; refuse with `taken` if its id exists, `undone` if it is void."""
        existing = await self.session.get(type(row), row.id)
        if existing is None:
            await self.insert(row)
        elif existing.status == VOID:
            raise Refused(UNDONE, f"{row.id} was undone before it was created.")
        else:
            raise Refused(taken, f"{row.id} was created by another request.")

    async def undoing(self, kind: type[AnyResource], row_id: str) -> AnyResource:
        """Return the row that the undone action made, locked, and bar that action for ever.

        If the action made none, the row is void. If the id belongs to an action other than the
        one undone, the row is void as well, and is not in the database: there is nothing to undo.
        """
        row = await self.session.get(kind, row_id, with_for_update=True)
        if self.undoes is not None:
            await self._bar(self.undoes, kind)
        if row is None:
            row = self._void(kind, row_id)
            await self.insert(row)
        elif row.status == VOID:
            pass
        elif self.undoes is None:
            await self._bar(row.made_by, kind)
        elif row.made_by != self.undoes:
            row = self._void(kind, row_id)
        return row

    def _void(self, kind: type[AnyResource], row_id: str) -> AnyResource:
        made_by = self.undoes or self.key
        return kind(
            id=row_id, status=VOID, made_by=made_by, created_at=self.now, updated_at=self.now
        )

    async def _bar(self, action: str, kind: type[Resource]) -> None:
        stored = await self.session.get(StoredOperation, action)
        if stored is None:
            stored = StoredOperation(key=action, created_at=self.now)
            self.session.add(stored)
        elif stored.path is not None and stored.path != kind.collection:
            detail = f"Undoes-Key belongs to {stored.method} {stored.path}."
            raise Refused(KEY_REUSED, detail)
        if not stored.undone:
            stored.undone = True
            stored.undone_by = self.key


class BarrierRoute(APIRoute):
    """A route that, unless it only reads, runs inside the barrier; its handler asks for `Action`
    or `Undoing`.
    """

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's handler, so that its answer is rendered before the commit."""
        handler = super().get_route_handler()
        if self.methods == {"GET"}:
            return handler

        async def guarded(request: Request) -> Response:
            return await _run(request, handler)

        return guarded


async def _run(request: Request, handler: Handler) -> Response:
    database: Database = request.app.state.database
    key, undoes = _keys(request)
    request_hash = _hash(request, undoes, await request.body())
    async with database.write([key] if undoes is None else [key, undoes]) as session:
        stored = await session.get(StoredOperation, key)
        if stored is not None:
            return _answer_again(stored, request_hash)
        operation = Operation(session, key, undoes, datetime.now(UTC))
        request.state.operation = operation
        try:
            # A refusal takes back what the handler wrote, but not the keys held or the answer.
            async with session.begin_nested():
                response = await handler(request)
        except Refused as refusal:
            response = refusal.answer(request.url.path)
        session.add(
            StoredOperation(
                key=key,
                method=request.method,
                path=request.url.path,
                request_hash=request_hash,
                response_status=response.status_code,
                response_body=bytes(response.body).decode(),
                created_at=operation.now,
            )
        )
    return response


def _keys(request: Request) -> tuple[str, str | None]:
    key = request.headers.get("idempotency-key", "")
    undoes = request.headers.get("undoes-key")
    if not key:
        raise ProblemRaised(KEY_MISSING, "Send the header Idempotency-Key.")
    if undoes in ("", key) or max(len(key), len(undoes or "")) > _KEY_LENGTH:
        detail = f"Undoes-Key must differ from Idempotency-Key; both have 1-{_KEY_LENGTH} letters."
        raise ProblemRaised(INVALID_REQUEST, detail)
    return key, undoes


def _hash(request: Request, undoes: str | None, body: bytes) -> str:
    try:
        content = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except ValueError:
        content = body
    head = f"{request.method}\n{request.url.path}\n{undoes or ''}\n"
    return hashlib.sha256(head.encode() + content).hexdigest()


async def answer_of(session: AsyncSession, key: str) -> Response:
    """What a request with this key was answered; it does nothing, and waits for none in progress.

    Raises ProblemRaised: `key-unknown` when nothing was done, `undone` when it was taken back.
    """
    stored = await session.get(StoredOperation, key)
    if stored is None:
        raise ProblemRaised(KEY_UNKNOWN, f"Nothing was done with {key}.")
    return _stored_answer(stored)


def _answer_again(stored: StoredOperation, request_hash: str) -> Response:
    if stored.request_hash not in (None, request_hash):
        raise ProblemRaised(KEY_REUSED, "Another request was made with this key.")
    return _stored_answer(stored)


def _stored_answer(stored: StoredOperation) -> Response:
    if stored.undone:
        raise ProblemRaised(UNDONE, "This action was undone; it will not be done again.")
    assert stored.response_status is not None
    media_type = MEDIA_TYPE if stored.response_status >= 400 else "application/json"
    return Response(stored.response_body, stored.response_status, media_type=media_type)


async def _operation(
    request: Request,
    idempotency_key: Annotated[str, Header(description="The same for every repetition.")],
) -> Operation:
    operation: Operation = request.state.operation
    return operation


async def _undo_operation(
    operation: Annotated[Operation, Depends(_operation)],
    undoes_key: Annotated[
        str | None, Header(description="The Idempotency-Key of the action to undo.")
    ] = None,
) -> Operation:
    return operation


Action = Annotated[Operation, Depends(_operation)]
Undoing = Annotated[Operation, Depends(_undo_operation)]
