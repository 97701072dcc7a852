"""The made-up companies hang together."""

import pytest

from usagedeck.access import Role
from usagedeck.catalog.dimensions import Label
from usagedeck.demo.companies import COMPANIES, HALCYON, MARLOW, NORA, PLAIN_MEMBER, TIN_FOX
from usagedeck.demo.people import Company, Endpoint
from usagedeck.demo.products import OFFERS
from usagedeck.times import zone

EVENT_TYPES = {offer.event_type for offer in OFFERS.values()}


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.id)
def test_everything_that_is_named_exists(company: Company) -> None:
    zone(company.time_zone)
    for caller in company.callers:
        assert caller.owner in {person.name for person in (*company.people, *company.guests)}
        assert {caller.offer, *caller.also} <= OFFERS.keys()
        assert caller.customers <= len(company.customers)
        assert (caller.source == "web") == (caller.key_id is None)
        assert company.agents or not {"agent", "llm", "llm-large"} & {caller.offer, *caller.also}
    for person in (*company.people, *company.guests):
        assert set(person.groups) <= set(company.groups)
        assert person.email.endswith("@example.com")
    for webhook in company.webhooks:
        assert set(webhook.events) <= EVENT_TYPES - {""}
    keys = [caller.key_id for caller in company.callers if caller.key_id]
    assert len(set(keys)) == len(keys)
    assert len({voice.id for voice in company.voices}) == len(company.voices)


def test_e_mails_are_unique() -> None:
    emails = [person.email for company in COMPANIES for person in company.people]
    assert len(set(emails)) == len(emails)


def test_shares_are_parts_of_the_whole() -> None:
    assert sum(company.share for company in COMPANIES) == pytest.approx(1)


def test_the_large_company_has_one_of_everything_worth_showing() -> None:
    roles = [person.role for person in HALCYON.people]
    assert roles.count(Role.OWNER) == 1
    assert {Role.ADMIN, Role.MEMBER, Role.VIEWER} <= set(roles)
    assert any(caller.ends for caller in HALCYON.callers)
    assert any(voice.deleted for voice in HALCYON.voices)
    assert {hook.endpoint for hook in HALCYON.webhooks} == set(Endpoint)
    assert HALCYON.billing_day != 1
    names = HALCYON.labels()
    assert names.keys() == {Label.VOICE, Label.GROUP, Label.BILLING_GROUP, Label.RESOURCE, Label.WEBHOOK}
    assert len(names[Label.VOICE]) == len(HALCYON.voices) - 1
    plain = next(person for person in HALCYON.people if person.email == PLAIN_MEMBER)
    assert plain.role is Role.MEMBER
    assert not plain.full_read


def test_who_signs_in_owns_one_company_and_is_a_guest_in_another() -> None:
    assert NORA in HALCYON.people
    assert NORA.role is Role.OWNER
    assert [guest.id for guest in MARLOW.guests] == [NORA.id]
    assert MARLOW.guests[0].role is Role.MEMBER
    assert len(TIN_FOX.people) == 1
