"""How older versions of the order saga's messages are lifted; see docs/changing-a-saga.md.

A rule stays for as long as a history, a row of events or a queue may hold what it lifts.
"""

from saga.versions import Content, upcaster

FIRST_CURRENCY = "USD"
"""What every amount was in before messages named a currency."""


@upcaster("OrderCreated", 1)
def order_created_2(old: Content) -> Content:
    """The first version had an amount without a currency, and no items."""
    kept = {member: value for member, value in old.items() if member != "amount_minor"}
    total: Content = {"minor": old["amount_minor"], "currency": FIRST_CURRENCY}
    return {**kept, "total": total, "items": []}
