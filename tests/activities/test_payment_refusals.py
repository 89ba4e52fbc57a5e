"""What the payment service may refuse a charge with, the activity takes for a refusal."""

from activities.payment import REFUSALS
from services.payment import CHARGE_PROBLEMS


def test_every_refusal_of_a_charge_is_known() -> None:
    assert {problem.type for problem in CHARGE_PROBLEMS} == REFUSALS
