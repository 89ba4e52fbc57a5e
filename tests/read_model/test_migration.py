"""The tables come into being once, are what the code says, and never go backwards."""

import asyncio
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, column, event, insert, table, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model import migration
from read_model.database import open_database
from read_model.migration import VERSION_TABLE, migrate
from read_model.projector import SagaProjector, row_of
from read_model.queries import ReadModel
from read_model.tables import METADATA, TABLE
from runtime.errors import SettingsError
from tests.read_model.states import completed, stuck

pytestmark = pytest.mark.asyncio


def _differences(connected: Connection) -> list[object]:
    context = MigrationContext.configure(
        connected,
        opts={"version_table": VERSION_TABLE, "compare_type": True, "target_metadata": METADATA},
    )
    return list(compare_metadata(context, METADATA))


async def test_migrations_make_what_the_tables_say(engine: AsyncEngine) -> None:
    async with engine.connect() as connected:
        assert await connected.run_sync(_differences) == []
        await connected.execute(text("DROP INDEX ix_sagas_customer"))
        assert await connected.run_sync(_differences) != []


async def test_migrated_again_changes_nothing(engine: AsyncEngine) -> None:
    await SagaProjector(engine).project(completed()[-1])
    written: list[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_c: object, _k: object, sql: str, *_: object) -> None:
        if sql.startswith(("CREATE", "INSERT", "UPDATE", "BEGIN")):
            written.append(sql)

    await migrate(engine)
    assert written == []
    assert len((await ReadModel(engine).sagas()).rows) == 1


async def test_several_at_once_in_one_process(database_url: str) -> None:
    engines = [open_database(database_url) for _ in range(5)]
    await asyncio.gather(*(migrate(engine) for engine in engines))
    assert (await ReadModel(engines[0]).sagas()).rows == []
    for engine in engines:
        await engine.dispose()


async def test_several_processes_at_once(database_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "read_model.migration", "--url", database_url),
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    said = [(await process.communicate())[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, said
    engine = open_database(database_url)
    assert (await ReadModel(engine).sagas()).rows == []
    await engine.dispose()


async def test_a_failing_migration_leaves_nothing(
    empty: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = migration._upgrade

    def cut_off(connected: Connection) -> None:
        whole(connected)
        raise RuntimeError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(migration, "_upgrade", cut_off)
        with pytest.raises(RuntimeError, match="cut off"):
            await migrate(empty)
    async with empty.connect() as connected:
        assert await connected.run_sync(_differences) != []
    await migrate(empty)
    async with empty.connect() as connected:
        assert await connected.run_sync(_differences) == []


async def test_rows_of_the_version_before_are_kept_and_it_can_still_write(
    empty: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def to_the_first(connected: Connection) -> None:
        command.upgrade(migration._config(connected), "0001")

    async def write(row: dict[str, object]) -> None:
        known = [it for it in TABLE.columns if it.name not in {"stuck", "stuck_since"}]
        older = table(TABLE.name, *(column(it.name, it.type) for it in known))
        async with empty.connect() as connected:
            await connected.execute(insert(older).values({it.name: row[it.name] for it in known}))

    with monkeypatch.context() as patched:
        patched.setattr(migration, "_upgrade", to_the_first)
        await migrate(empty)
    await write(row_of(stuck(business_id="before")).model_dump())
    await migrate(empty)
    await write(row_of(stuck(business_id="after")).model_dump())
    rows = (await ReadModel(empty).stuck()).rows
    assert [(it.business_id, it.stuck, it.stuck_since) for it in rows] == [
        ("after", (), None),
        ("before", (), None),
    ]


async def test_a_database_newer_than_the_code_is_refused(engine: AsyncEngine) -> None:
    async with engine.connect() as connected:
        await connected.execute(
            update(table(VERSION_TABLE, column("version_num"))).values(version_num="9999")
        )
    with pytest.raises(SettingsError, match=r"READ_DATABASE_URL.*revision 9999.*does not know"):
        await migrate(engine)
