"""The mechanism: reports, training rules, payments, settlements, and what a lie would have brought."""
