"""Bargains over several shares: equations for quadratic games, local searches elsewhere, bilateral bargains."""
