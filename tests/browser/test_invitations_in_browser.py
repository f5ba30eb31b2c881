"""Invitations on the provider's page: a link as text and as a QR code, one at a time, and never in the server's log."""

import re

import pytest

from tuneaccord import Client
from tuneaccord.service.pages.sessions.classroom_code import qr_svg

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def drawn(svg):
    """The lines of a QR code's dark modules."""
    return re.findall(r'd="([^"]+)"', svg)[-1]


def test_an_invitation_is_read_by_a_phone(serving, server_folder, visitor):
    address, link = serving
    with Client(address, link.partition("#token=")[2]) as operator:
        provider = operator.with_token(operator.create({"title": "ours"})["token"])
        provider.open()
        leads, phone = visitor(), visitor("dark")
        leads.enter(f"{address}/enter#token={provider.token}")
        leads.textbox("Names of the groups", exact=False).fill("legal\nsupport")
        leads.press("Make the links")
        links = {name: leads.textbox(f"Link for {name}").input_value() for name in ("legal", "support")}
        assert leads.page.locator(".qr").count() == 0  # nobody reads over a shoulder what nobody asked for
        for name in links:
            leads.press(f"QR code: Link for {name}")
            picture = leads.page.get_by_role("img", name=f"Link for {name}, as a QR code")
            picture.wait_for()
            assert leads.page.locator(".qr").count() == 1
            assert drawn(picture.inner_html()) == drawn(qr_svg(links[name]))
        leads.page.get_by_text("This address works on this computer only", exact=False).wait_for()
        leads.shoot("invitation-qr")
        assert leads.unreachable() == set()
        picture.screenshot(path=leads.shots / "invitation-qr.png")

        phone.page.goto(links["support"])
        phone.press("Join as support")
        phone.page.wait_for_url("**/sessions/*")
        leads.page.get_by_text("1 joined, 1 invited").wait_for()
        assert leads.page.locator(".qr").count() == 1  # stays while groups join
        leads.press("Hide the QR code")
        picture.wait_for(state="detached")
        log = (server_folder / "log").read_text()
        assert log
        assert not [one for one in links.values() if one.rpartition("/")[2] in log]
        for one in (leads, phone):
            one.check()


def test_a_refused_link_is_readable_on_a_phone(serving, visitor):
    address, _ = serving
    for scheme in ("light", "dark"):
        one = visitor(scheme)
        one.page.goto(f"{address}/join/gone")
        one.page.get_by_role("alert").wait_for()
        one.shoot(f"refused-{scheme}")
        paper = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
        one.faults = [fault for fault in one.faults if "401" not in fault]
        one.check()
