"""`audit` over real services, sagas and databases, sound and tampered with."""

import pytest

from tests.audit.audited import Audited, Fates, document, kinds
from tests.cli.here import Here

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_orders_of_all_fates_are_clean(audited: Audited, fates: Fates, here: Here) -> None:
    outs = []
    for a in (["--json"], [], [fates.undeliverable.order_id], ["nope"]):
        ran = await audited.audit(here, *a)
        outs += [ran.code, ran.out, ran.err]
    print(*outs, sep="\n")
    assert 0
