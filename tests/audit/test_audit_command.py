"""`audit` over real services, sagas and databases, sound and tampered with."""

import pytest

from tests.audit.audited import Audited, Fates, document, kinds
from tests.cli.here import Here

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_orders_of_all_fates_are_clean(audited: Audited, fates: Fates, here: Here) -> None:
    ran = await audited.audit(here, "--json")
    print(ran.out, ran.err)
    ran2 = await audited.audit(here)
    print(ran2.out, ran2.err)
    ran2 = await audited.audit(here, fates.undeliverable.order_id)
    print(ran2.out, ran2.err)
    ran2 = await audited.audit(here, fates.undeliverable.order_id, "--json")
    print(ran2.out, ran2.err)
    assert 0
