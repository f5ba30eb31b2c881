"""A process that solves a slow game, one solution a line, and can be ended when nobody waits for it any more.

Reads the game as JSON from its input and writes each solution's row as soon as it is known. A thread could not be
stopped, and would keep the server's other pages waiting.
"""

from __future__ import annotations

import json
import os
import sys

from tuneaccord.bargaining import FineTuningGame
from tuneaccord.config.game import every_rule
from tuneaccord.service.pages.bargaining_numbers import solved


def main() -> None:
    """Solve the game of the standard input by every rule."""
    os.nice(10)
    game = FineTuningGame.from_dict(json.load(sys.stdin))
    for rule in every_rule(game):
        print(json.dumps(solved(game, rule)), flush=True)


if __name__ == "__main__":
    main()
