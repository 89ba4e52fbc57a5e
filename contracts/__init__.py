"""The messages of the order saga: commands, domain events and integration events."""

# What lifts old messages has to stand before their classes.
from contracts import versions as versions
