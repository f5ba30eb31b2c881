"""A session brought to its end with an audit, in which one group replaced its report, and what each party gets."""

import json

from service_play import POOL, REPORTS, TERMS, play


def published(desk, terms=TERMS, pool=POOL, reports=REPORTS, replaced="legal", **given):
    """Everybody reports; ``replaced`` reports twice, the second time what is in ``reports``."""
    played = play(desk, "reporting", terms, pool, reports, **given)
    for name, report in reports.items():
        if name == replaced:
            earlier = {**report, "size": report["size"] / 2}
            played.proofs["earlier"] = played.desk.report(played.groups[name], played.id, earlier)
        played.proofs[name] = played.desk.report(played.groups[name], played.id, report)
    played.desk.close(played.provider, played.id)
    attempt = played.server.begin_settling(played.id)
    played.server.compute(played.id, attempt)
    played.server.audit(played.id, attempt)
    assert played.server.record(played.id, attempt)
    played.desk.publish(played.provider, played.id)
    return played


def receipt_of(played, who):
    """A party's receipt as it comes out of a file."""
    caller = played.groups.get(who) or getattr(played, who)
    return json.loads(json.dumps(played.reading.receipt(caller, played.id)))
