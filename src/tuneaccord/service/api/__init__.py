"""The HTTP interface: FastAPI under ``/api/v1``. Routes translate between HTTP and the desk; they decide nothing.

``app`` builds it; one noun per file holds the routes; ``guard`` is what every route does first; ``errors`` is the one
shape of a refusal; ``limits``, ``bodies`` and ``headers`` keep out what is too much, too large or from elsewhere.
"""
