"""What every service's application has: its database, health, problems, tracing, fault switches."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.barrier import StoredOperation, answer_of
from services.database import Database, Seed
from services.faults import FaultMiddleware, FaultSwitches, faults_router
from services.problems import (
    BARRIER_PROBLEMS,
    KEY_UNKNOWN,
    UNDONE,
    ProblemType,
    documented,
    install_problems,
)
from services.tracing import TracingMiddleware


class Health(BaseModel):
    """The answer of `GET /healthz`."""

    service: str
    status: Literal["ok"] = "ok"


@dataclass(frozen=True)
class Service:
    """What a service is made of, beyond what all have in common."""

    name: str
    models: Sequence[type[SQLModel]]
    router: APIRouter
    problems: Sequence[ProblemType]

    def application(
        self,
        database_url: str,
        *,
        faults: bool = False,
        seed: Seed | None = None,
        also: Sequence[type[SQLModel]] = (),
    ) -> FastAPI:
        """Return the application on a database; raise `DatabaseUnusable` if its URL is wrong.

        Its tables are those of the models, and `also` others that stand beside them.
        """
        database = Database(database_url, [StoredOperation, *self.models, *also], seed)

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            await database.open()
            yield
            await database.close()

        app = FastAPI(
            title=f"{self.name.capitalize()} service",
            description="A participant of sagas: each mutating request is idempotent and undoable.",
            version="1",
            lifespan=lifespan,
        )
        app.state.database = database
        app.include_router(self.router)
        install_problems(app, [*BARRIER_PROBLEMS, *self.problems])

        @app.get("/healthz", tags=["service"])
        async def health(session: Reading) -> Health:
            """Answer if the service and its database can."""
            await session.scalar(select(1))
            return Health(service=self.name)

        @app.get("/answers", tags=["service"], responses=documented(KEY_UNKNOWN, UNDONE))
        async def answer(session: Reading, key: str) -> Response:
            """Answer what was answered to the request with this key, and do nothing."""
            return await answer_of(session, key)

        if faults:
            switches = FaultSwitches()
            app.include_router(faults_router(switches))
            app.add_middleware(FaultMiddleware, switches=switches)
        app.add_middleware(TracingMiddleware, service=self.name)
        return app


def database_of(app: FastAPI) -> Database:
    """Return the database that an application works on."""
    database: Database = app.state.database
    return database


async def _reading(request: Request) -> AsyncIterator[AsyncSession]:
    async with database_of(request.app).read() as session:
        yield session


Reading = Annotated[AsyncSession, Depends(_reading)]
