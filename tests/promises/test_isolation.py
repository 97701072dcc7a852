"""Nobody ever sees what is not theirs: no row, no name, no count, and no difference in an error.

Everything that belongs to somebody else has a mark in it. Every question is asked twice: with a word of somebody else's, and with
a word of the same length that is nowhere. Both answers must be the same to the last byte, but for the word itself where it is
said back; so whatever is not theirs is, for the asker, not there. What the server made an id of is named by that id, and by one
that it never made.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tests.exchanging import collecting
from tests.following import Follower, follow
from tests.house import NOON, House, build_house
from tests.promises.questions import MAKERS, MAKING, OF_ONESELF, OPERATIONS, PASSWORD, TAIL, Question, asking
from tests.waiting import until
from tests.web.conftest import Place, opened
from usagedeck import admin, limits
from usagedeck.access import Permission, Role, who_by_key
from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.kinds import Subject
from usagedeck.directory import keys
from usagedeck.exchanges import Fate
from usagedeck.meters import Kind
from usagedeck.store.sizes import SizeIndex
from usagedeck.stretches import Stretch
from usagedeck.times import HOUR
from usagedeck.web.tables import NDJSON

FOREIGN, BENS, NOBODYS = "zzforeign", "zzbensown", "zznobodys"
"""In everything of another workspace; in everything of another member; in nothing. Equally long."""


@dataclass(frozen=True)
class World:
    """A workspace with several members beside another one, and the ids that the server made of their things, by mark."""

    place: Place
    known: Mapping[str, Mapping[str, str]]

    def hidden(self, marks: tuple[str, ...]) -> tuple[str, ...]:
        """What an asker must never see of those."""
        return (*marks, *(self.known[mark][name] for mark in marks for name in ("invitation", "session", "hash")))


@dataclass(frozen=True)
class Asker:
    """Who asks, and the marks they must never see."""

    name: str
    client: httpx2.Client
    marks: tuple[str, ...]

    @property
    def signed_in(self) -> bool:
        return bool(self.client.cookies)


def events(mark: str, owner: str) -> Iterator[dict[str, Any]]:
    """Requests and deliveries in which everything says whose they are."""
    for n in range(12):
        yield {
            "id": f"req-{mark}-{n}",
            "time": NOON - n * HOUR,
            "user_id": owner,
            "api_key_id": f"key-{mark}-{n % 2}",
            "product_type": f"product-{mark}",
            "model": f"model-{mark}-{n % 3}",
            "voice_id": f"voice-{mark}",
            "credits": n,
            "path": f"/v1/{mark}/x",
            "region": f"region-{mark}",
            "resource_id": f"res-{mark}",
            "trace_id": f"trace-{mark}",
            "error": {"code": f"code-{mark}", "message": f"message {mark}"},
            "status": 500 if n % 4 else 200,
            "duration_ms": 5,
            "attributes": {f"attr-{mark}": f"value-{mark}"},
            "group_ids": [f"group-{mark}"],
            "user_agent": f"agent-{mark}",
            "request": {"headers": {"x-whose": mark}, "body": f"sent by {mark}"},
            "response": {"body": f"answer to {mark}"},
        }
        yield {
            "kind": "delivery",
            "id": f"del-{mark}-{n}",
            "time": NOON - n * HOUR,
            "webhook_id": f"hook-{mark}",
            "status": 200,
            "event_type": f"event-{mark}",
            "url": f"https://{mark}.test/",
            "request_id": f"req-{mark}-{n}",
            "request": {"body": f"told {mark}"},
        }


def furnish(house: House, mark: str, owner: str) -> dict[str, str]:
    """Events and names; gives the ids that the server made."""
    house = collecting(house)
    assert house.send(events(mark, owner)).exchanges == {Fate.KEPT: 24}
    for kind in Label:
        ids = (f"{part}-{mark}" for part in ("voice", "group", "hook", "res", "user", "key"))
        house.do(admin.SetLabels(workspace=house.workspace_id, kind=kind, names=dict.fromkeys(ids, f"Name {mark}")))
    for n in range(2):
        house.do(admin.CreateKey(workspace=house.workspace_id, id=f"key-{mark}-{n}", label=f"Key {mark}", user=owner))
    workspace = house.workspace_id
    house.do(admin.PutGroup(workspace=workspace, id=f"group-{mark}", name=f"Group {mark}", users=[owner]))
    house.do(admin.PutServiceAccount(workspace=workspace, id=f"bot-{mark}", name=f"Name {mark}"))
    house.do(admin.PutKey(workspace=workspace, id=f"key-bot-{mark}", label=f"Key {mark}", user=f"bot-{mark}"))
    house.do(admin.PutWebhook(workspace=workspace, id=f"hook-{mark}", name=f"Name {mark}", url=f"https://{mark}.test/"))
    limited = ((Kind.KEY, f"key-{mark}-0"), (Kind.MEMBER, owner), (Kind.GROUP, f"group-{mark}"), (Kind.WORKSPACE, None))
    for of, whose in limited:
        house.do(admin.SetLimit(workspace=workspace, kind=of, id=whose, credit_limit=60))
    made = house.do(admin.CreateInvitation(workspace=workspace, email=f"invited-{mark}@x.test"))
    verifier = keys.verifier(f"session of {owner}")
    house.deck.directory.sessions.add(verifier, owner, expires_at=NOON + 1000 * HOUR, user_agent=f"agent-{mark}")
    key = house.deck.directory.api_keys.get(workspace, f"key-{mark}-0")
    assert key is not None
    hash_ = keys.fingerprint(house.deck.directory.secret, key.verifier)
    return {"invitation": made["id"], "session": verifier[:16], "hash": hash_}


def reserve(house: House, mark: str, owner: str) -> None:
    """Credits are held for a request under way."""
    _, who = house.key_who(label=f"Key {mark}", user=owner, permissions=[Permission.WRITE])
    asked = limits.Asked(credits=Decimal(1), request_id=f"res-{mark}")
    assert limits.check(house.deck, limits.Asker(who.workspace, f"key {who.key_id}", who), asked).reservation


def add_person(house: House, id_: str, role: Role = Role.MEMBER) -> None:
    house.do(admin.AddUser(workspace=house.workspace_id, id=id_, email=f"{id_}@x.test", password=PASSWORD, role=role))


def signed_in(place: Place, id_: str) -> httpx2.Client:
    client = place.client()
    assert client.post("/api/v1/session", json={"email": f"{id_}@x.test", "password": PASSWORD}).status_code == 204
    return client


def even(_index: SizeIndex, _subject: Subject, _workspace: str, stretch: Stretch) -> int:
    """So many events in an hour that pages of the log are looked for in steps."""
    return 10 * (stretch[1] - stretch[0]) // HOUR


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings: dict[str, Any] = {"query_parallel": 2, "live_tails": 1000, "sign_in_attempts": 1_000_000}
    with opened(Path(tmp_path_factory.mktemp("isolation")), **settings) as place, pytest.MonkeyPatch.context() as patched:
        patched.setattr("usagedeck.web.tail.PULSE", 0.01)
        patched.setattr("usagedeck.sql.stepping.FIRST_OF_SOME", 100)
        patched.setattr(SizeIndex, "rows", even)
        start = {"start": str(place.deck.commits.latest)}
        add_person(place.house, "ana")
        add_person(place.house, f"user-{BENS}")
        add_person(place.house, "cleo", Role.ADMIN)
        for mark, owner in (("own", "ana"), (BENS, f"user-{BENS}")):
            reserve(place.house, mark, owner)
        known = {"own": furnish(place.house, "own", "ana"), BENS: furnish(place.house, BENS, f"user-{BENS}")}
        foreign = build_house(place.deck, f"Company {FOREIGN}", id=f"ws-{FOREIGN}", currency="eur", time_zone="Asia/Tokyo")
        add_person(foreign, f"user-{FOREIGN}", Role.OWNER)
        reserve(foreign, FOREIGN, f"user-{FOREIGN}")
        known[FOREIGN] = furnish(foreign, FOREIGN, f"user-{FOREIGN}")
        nobody = keys.verifier("nobody")
        known[NOBODYS] = {"invitation": keys.mint_id("inv"), "session": nobody[:16], "hash": nobody}
        place.clock.now += 1000
        yield World(place, {mark: {**ids, **start} for mark, ids in known.items()})


@pytest.fixture(scope="module")
def askers(world: World) -> Iterator[list[Asker]]:
    place = world.place
    narrow, _ = place.house.key_who(user="ana", permissions=list(Permission))
    wide, _ = place.house.key_who(permissions=list(Permission))
    sender, _ = place.house.key_who(user="ana", permissions=[Permission.WRITE])
    with ExitStack() as stack:
        found = [
            Asker("a member", signed_in(place, "ana"), (FOREIGN, BENS)),
            Asker("a member's key", place.client(narrow), (FOREIGN, BENS)),
            Asker("an admin", signed_in(place, "cleo"), (FOREIGN,)),
            Asker("a key of nobody's", place.client(wide), (FOREIGN,)),
            Asker("a key that sends", place.client(sender), (FOREIGN, BENS)),
            Asker("somebody from the street", place.client(), (FOREIGN, BENS)),
        ]
        for asker in found:
            stack.enter_context(closing(asker.client))
        yield found


USUAL = 4
"""The first so many askers see something; those behind them are refused nearly everything."""

OF_KEYS = ("/v1/", "/v2/", "/api/v1/limits/check", "/api/v1/limits/release")
"""Paths that nobody uses who is signed in."""

AT_LEAST = (
    Question("GET", "/api/v1/log/requests/req-own-1", []),
    Question("GET", "/api/v1/requests", [("search", "own")], headers={"accept": NDJSON}),
    Question("GET", TAIL, [("after", "{start}")]),
)
"""What a member asks in any case."""

Answered = tuple[int, dict[str, str], str]
"""Status, headers and body; without what is different every time."""


def answered(asker: Asker, question: Question, word: str, known: Mapping[str, str]) -> Answered:
    sent = question.with_(word, known)
    if question.path == TAIL:
        with asker.client.stream(**sent) as answer:
            text = "".join(up_to_now(answer)) if answer.is_success else answer.read().decode()
    else:
        answer = asker.client.request(**sent)
        text = answer.text
    trace = answer.headers.get("x-trace-id", "no trace")
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-trace-id", "date", "content-length")}
    return answer.status_code, headers, text.replace(trace, "trace")


def up_to_now(answer: httpx2.Response) -> Iterator[str]:
    """What a tail says before it has nothing more to say."""
    last = False
    for line in answer.iter_lines():
        yield f"{line}\n"
        last = last or line in ("event: pulse", "event: end")
        if last and not line:
            return


def with_nobodys(found: Answered, mark: str, world: World) -> Answered:
    """The answer as it would be to the same question about what is nowhere."""
    words = {mark: NOBODYS} | {id_: world.known[NOBODYS][name] for name, id_ in world.known[mark].items()}
    status, headers, text = found
    said = str(sorted(headers.items()))
    for theirs, nobodys in words.items():
        said, text = said.replace(theirs, nobodys), text.replace(theirs, nobodys)
    return status, {"all": said}, text


def tried(world: World, asker: Asker, question: Question, mark: str) -> Answered:
    """Ask about what is somebody else's and about what is nowhere; gives the answer to both."""
    found = answered(asker, question, mark, world.known[mark])
    told = f"{asker.name} asks {question} with {mark}"
    nowhere = answered(asker, question, NOBODYS, world.known[NOBODYS])
    if "audit" not in question.path:  # what members themselves have asked is in there, with the words they used
        assert not any(hidden in str(nowhere) for hidden in world.hidden(asker.marks)), f"{told}: {nowhere}"
    assert with_nobodys(found, mark, world) == with_nobodys(nowhere, mark, world), told
    assert found[0] < 500, told
    return nowhere


# --- the promise --------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_what_is_somebody_elses_is_not_there(world: World, askers: list[Asker], request: pytest.FixtureRequest) -> None:
    rng = Random(request.config.getoption("--fuzz-seed"))
    makers = [maker for maker, weight in MAKERS.items() for _ in range(weight)]
    statuses: Counter[int] = Counter()
    own: Counter[str] = Counter()
    for number in range(request.config.getoption("--fuzz") // 2):
        question = AT_LEAST[number] if number < len(AT_LEAST) else rng.choice(makers)(rng)
        ready = [one for one in askers if not (one.signed_in and question.path.startswith(OF_KEYS))]
        usual = [one for one in ready if one in askers[:USUAL]]
        asker = askers[0] if number < len(AT_LEAST) else rng.choice(usual if rng.random() < 0.9 else ready)
        status, _, text = tried(world, asker, question, rng.choice(asker.marks))
        statuses[status] += 1
        if status == 200:
            own["anything"] += "own" in text
            own["bodies"] += "sent by own" in text
            own["tail"] += "event: rows" in text
            own["growing"] += question.headers.get("accept") == NDJSON and text.count("\n") > 1
    assert statuses[200] > statuses.total() // 3, f"many questions are good ones: {statuses}"
    assert own["anything"] > 10, "and find what is their own"
    assert all(own[name] for name in ("bodies", "tail", "growing")), f"in every way: {own}"


@pytest.mark.promise
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_whatever_there_is_is_asked(world: World, askers: list[Asker], operation: Any) -> None:
    """Every operation of the API, once by everybody: whatever somebody adds is asked here without their doing."""
    rng = Random(f"{operation.method} {operation.path}")
    if (operation.method, operation.path) in OF_ONESELF:
        return
    for asker in askers:
        for mark in asker.marks:
            tried(world, asker, asking(rng, operation, fitting=mark == FOREIGN or rng.random() < 0.5), mark)


@pytest.mark.promise
def test_what_is_not_asked_is_there() -> None:
    """An operation that was renamed is asked again, and what somebody makes is tried below."""
    there = {(one.method, one.path) for one in OPERATIONS}
    assert set(OF_ONESELF) <= there
    rng = Random(1)
    careful = [maker(rng) for maker in MAKERS for _ in range(200)] + list(MAKING)
    unasked = {
        (one.method, one.path)
        for one in OPERATIONS
        if (one.method, one.path) in OF_ONESELF and not any(one.is_asked_by(question) for question in careful)
    }
    assert unasked == {
        ("DELETE", "/api/v1/session"),
        ("DELETE", "/api/v1/sessions"),
        ("POST", "/v1/workspaces/api-keys/disable"),
        ("PATCH", "/api/v1/workspace/settings"),
        ("GET", "/metrics"),
    }


@pytest.mark.promise
def test_the_audit_log_has_nothing_of_another_workspace(world: World, askers: list[Asker]) -> None:
    """As it was before anybody asked anything."""
    told = [
        askers[2].client.get("/api/v1/audit", params={"start": NOON - HOUR, "end": NOON + 1, "limit": 1000}),
        askers[2].client.get("/api/v1/audit.csv", params={"start": NOON - HOUR, "end": NOON + 1}),
        askers[3].client.get("/v1/workspace/audit-logs", params={"time_to_unix_ms": NOON, "limit": 1000}),
    ]
    for answer in told:
        assert (answer.status_code, BENS in answer.text) == (200, True)
        assert not any(hidden in answer.text for hidden in world.hidden((FOREIGN,)))


@pytest.mark.promise
def test_counters_name_nobody(world: World) -> None:
    with closing(world.place.client()) as client:
        told = client.get("/metrics").text
    assert "usagedeck_http_requests_total" in told
    assert not any(mark in told for mark in (*world.hidden((FOREIGN, BENS)), world.place.house.workspace_id))


MINTED = re.compile(r'\b(?:sa|grp|wh|key)_[0-9a-f]{12}|wsec_[0-9a-f]{64}|"hint":"[^"]{4}"|"place":"\d+"')
"""What is different in two workspaces that are alike."""


@pytest.mark.promise
@pytest.mark.parametrize("question", MAKING, ids=lambda one: one.path)
def test_what_is_made_under_the_name_of_somebody_elses_thing_says_nothing_of_it(world: World, question: Question) -> None:
    """In a workspace of its own, so that nothing of it is there for other questions."""
    seen: list[list[Answered]] = []
    for mark in (FOREIGN, NOBODYS):
        house = build_house(world.place.deck, "Company", id=f"ws-making-{mark}{MAKING.index(question)}")
        add_person(house, f"cleo-{mark}{MAKING.index(question)}", Role.ADMIN)
        secret, _ = house.key_who(permissions=list(Permission), id=f"key-making-{mark}")
        lists = ("workspace/groups", "workspace/service-accounts", "workspace/webhooks", "workspace/keys", "requests")
        with closing(world.place.client(secret)) as client:
            asker = Asker("whoever makes it", client, ())
            asked = [question, *(Question("GET", f"/api/v1/{part}", []) for part in lists)]
            asked += [Question("GET", "/v1/workspace/groups", []), Question("GET", "/v1/workspace/groups/search", [("name", "")])]
            asked += [Question("GET", "/api/v1/values/user_id", []), Question("GET", "/v1/service-accounts", [])]
            seen.append([answered(asker, one, mark, world.known[mark]) for one in asked])
    for theirs, nobodys in zip(*seen, strict=True):
        assert theirs[0] in (200, 201), theirs
        found, nowhere = with_nobodys(theirs, FOREIGN, world), with_nobodys(nobodys, NOBODYS, world)
        assert MINTED.sub("minted", str(found)) == MINTED.sub("minted", str(nowhere))


@pytest.mark.promise
def test_what_arrives_of_others_is_not_in_a_tail(world: World, askers: list[Asker]) -> None:
    """Tails that are open while everybody sends: those of others neither come nor count among what was left out."""
    place, sent = world.place, 30
    with ExitStack() as stack:
        tails: list[tuple[Asker, Follower]] = []
        for asker in askers[:USUAL]:
            cookies = "; ".join(f"{name}={value}" for name, value in asker.client.cookies.items())
            headers = {**({"cookie": cookies} if cookies else {}), "xi-api-key": asker.client.headers.get("xi-api-key", "")}
            headers = {name: value for name, value in headers.items() if value}
            tails.append((asker, stack.enter_context(follow(place.url, headers, columns="id,user_id", rate=1))))
        until(lambda: all(tail.events for _, tail in tails))
        foreign = House(place.deck, f"ws-{FOREIGN}", "", key_of(world, f"ws-{FOREIGN}"))
        for house, mark, owner in (
            (place.house, "own", "ana"),
            (place.house, BENS, f"user-{BENS}"),
            (foreign, FOREIGN, f"user-{FOREIGN}"),
        ):
            house.send({"id": f"live-{mark}-{n}", "time": NOON, "user_id": owner} for n in range(sent))
        for asker, tail in tails:
            whole = sent * (3 - len(asker.marks))
            until(partial(lambda tail, whole: len(tail.rows) + tail.left_out >= whole, tail, whole))
    for asker, tail in tails:
        assert len(tail.rows) + tail.left_out == sent * (3 - len(asker.marks)), asker.name
        assert tail.left_out, "there was more than they wanted"
        assert not any(mark in str(tail.events) for mark in asker.marks), asker.name
        assert any("live-own" in id_ for id_ in tail.ids), asker.name


def key_of(world: World, workspace: str) -> Any:
    made = admin.perform(world.place.deck, admin.CreateKey(workspace=workspace, label="all", permissions=list(Permission)))
    return who_by_key(world.place.deck, made["api_key"])


@pytest.mark.promise
def test_those_it_belongs_to_do_see_it(world: World, askers: list[Asker]) -> None:
    """The tests above are worth something only if the same questions find the marks elsewhere."""
    place = world.place
    good = [
        Question("GET", "/api/v1/requests", [("filter", "user_id:eq:user-{}")]),
        Question("GET", "/api/v1/requests", [("filter", "user_id:eq:user-{}")], headers={"accept": NDJSON}),
        Question("GET", TAIL, [("filter", "user_id:eq:user-{}"), ("after", "{start}")]),
        Question("GET", "/api/v1/values/voice_id", [("q", "{}")]),
        Question("GET", "/api/v1/usage", [("metric", "credits"), ("by", "model")]),
        Question("GET", "/api/v1/log/requests/req-{}-1", []),
        Question("GET", "/api/v1/audit", []),
        Question("GET", "/api/v1/limits", []),
        *(Question("GET", f"/api/v1/workspace/{part}", []) for part in ("invitations", "members", "groups", "keys")),
    ]
    with closing(signed_in(place, f"user-{FOREIGN}")) as owner:
        for question in good:
            assert FOREIGN in answered(Asker("their owner", owner, ()), question, FOREIGN, world.known[FOREIGN])[2], question
        sessions = Question("DELETE", "/api/v1/sessions/{session}", [])
        assert answered(Asker("their owner", owner, ()), sessions, FOREIGN, world.known[FOREIGN])[0] == 204
        invitations = Question("DELETE", "/api/v1/workspace/invitations/{invitation}", [])
        assert answered(Asker("their owner", owner, ()), invitations, FOREIGN, world.known[FOREIGN])[0] == 204
    foreign = admin.CreateKey(workspace=f"ws-{FOREIGN}", label="all", permissions=list(Permission))
    with closing(place.client(admin.perform(place.deck, foreign)["api_key"])) as theirs:
        wire = ("workspace/members", "workspace/groups", "workspace/webhooks", "service-accounts", "workspace/audit-logs")
        for path in (*wire, "workspace/groups/search", "service-accounts/bot-{}/api-keys", "user", "models", "voices"):
            question = Question("GET", f"/v1/{path}", [("name", "{}")] if path.endswith("search") else [])
            found = answered(Asker("their key", theirs, ()), question, FOREIGN, world.known[FOREIGN])
            assert (found[0], FOREIGN in found[2]) == (200, True), path
        filters = [{"column": "hashed_xi_api_key", "operation": "eq", "values": ["{hash}"]}]
        by_hash = Question("POST", "/v1/workspace/analytics/requests", [], {"start_time": NOON - 48 * HOUR, "filters": filters})
        assert FOREIGN in answered(Asker("their key", theirs, ()), by_hash, FOREIGN, world.known[FOREIGN])[2]
    for question in good:
        assert BENS in answered(askers[2], question, BENS, world.known[BENS])[2], question
