"""Why each party plays as it does, in words."""
