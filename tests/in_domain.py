"""What datasets of tests need to know their domain."""

import copy


class InDomain:
    domain: int | None = 0

    def in_domain(self, domain):
        placed = copy.copy(self)
        object.__setattr__(placed, "domain", domain)  # datasets may be frozen
        return placed
