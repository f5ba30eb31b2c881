"""Which rules any payment can make truthful, tried on finite grids of types."""

from tuneaccord.mechanism.implementability.grid import (
    Implementability,
    PaymentRange,
    implementability,
    payment_equivalence,
    type_grid,
)

__all__ = ["Implementability", "PaymentRange", "implementability", "payment_equivalence", "type_grid"]
