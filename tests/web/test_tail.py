"""GET /api/v1/log/tail: what is sent arrives within a moment, over reconnects, to those who may see it, for as long as
they may. (Restarts: `tests/promises/test_tail.py`.)"""

import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import pytest

from tests.following import PATH, Follower, follow
from tests.house import NOON, House, build_house
from tests.waiting import until
from tests.web.conftest import Place, opened
from tests.web.test_problems import problem
from usagedeck import admin
from usagedeck.access import Permission, Role
from usagedeck.times import DAY, SECOND, iso
from usagedeck.web import tail as tail_module


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two tails of a workspace at a time, which say often that they are alive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail_module, "PULSE", 0.1)
        with opened(tmp_path_factory.mktemp("tail"), live_tails=2, sign_in_attempts=1000) as found:
            yield found


def following(place: Place, key: str, **params: object) -> AbstractContextManager[Follower]:
    return follow(place.url, {"xi-api-key": key}, **{"columns": "id,time", **params})


def free(place: Place, house: House) -> None:
    """Wait until no tail of the workspace is open."""
    until(lambda: house.workspace_id not in place.deck.commits._listeners)


def test_rows_arrive_with_names_and_places(place: Place, tenant: House) -> None:
    tenant.send([{"id": "before", "time": NOON}])
    with following(place, tenant.api_key, columns="id,time,api_key_id,credits") as tail:
        until(lambda: bool(tail.events))
        name, at, content = tail.events[0]
        assert (name, content["rate"]) == ("open", 20)
        assert [c["name"] for c in content["columns"]] == ["id", "time", "api_key_id", "api_key_id_label", "credits"]
        tenant.send([{"id": "a", "time": NOON, "credits": "1.50"}, {"id": "late", "time": NOON - 300 * DAY}])
        until(lambda: len(tail.rows) == 2)
        tenant.send([{"id": "a", "time": NOON}, {"id": "b", "time": NOON}])
        until(lambda: len(tail.rows) == 3)
        until(lambda: tail.names[-1] == "pulse")
    assert tail.rows[:2] == [["a", iso(NOON), None, None, "1.5"], ["late", iso(NOON - 300 * DAY), None, None, None]]
    assert tail.ids == ["a", "late", "b"]
    places = [int(id_) for _, id_, _ in tail.events]
    assert places == sorted(places)
    assert int(at) <= places[0]


def test_it_goes_on_where_a_page_of_the_log_or_another_tail_ended(place: Place, tenant: House) -> None:
    with place.client(tenant.api_key) as client:
        tenant.send([{"id": "on-the-page", "time": NOON - SECOND}])
        page = client.get("/api/v1/requests", params={"columns": "id", "range": "30d"}).json()
    assert page["rows"] == [["on-the-page"]]
    tenant.send([{"id": "a", "time": NOON}])
    with following(place, tenant.api_key, after=page["place"]) as first:
        until(lambda: first.ids == ["a"])
    tenant.send([{"id": "b", "time": NOON}, {"id": "a", "time": NOON}])
    headers = {"xi-api-key": tenant.api_key, "last-event-id": first.place}
    with follow(place.url, headers, columns="id", after=page["place"]) as second:
        until(lambda: bool(second.rows))
    assert second.ids == ["b"]


def test_it_has_the_filters_and_the_window_of_the_log(place: Place, tenant: House) -> None:
    day = {"start": iso(NOON - DAY), "end": iso(NOON - SECOND)}
    failed = {"filter": "status:ge:500", "search": "SPEECH", "range": "24h"}
    with following(place, tenant.api_key, **failed) as one, following(place, tenant.api_key, of="deliveries", **day) as two:
        until(lambda: bool(one.events and two.events))
        events = [
            {"id": "good", "time": NOON, "status": 200, "path": "/speech"},
            {"id": "old", "time": NOON - 2 * DAY, "status": 500, "path": "/speech"},
            {"id": "bad", "time": NOON + 5 * SECOND, "status": 500, "path": "/v1/Speech"},
            {"id": "sent", "time": NOON - DAY, "kind": "delivery"},
            {"id": "sent-later", "time": NOON, "kind": "delivery"},
        ]
        tenant.send(events)
        until(lambda: bool(one.rows and two.rows))
        tenant.send(
            [{"id": "last", "time": NOON, "status": 501, "path": "/speech"}, {"id": "w", "time": NOON - DAY, "kind": "delivery"}]
        )
        until(lambda: len(one.rows) == len(two.rows) == 2)
    assert (one.ids, two.ids) == (["bad", "last"], ["sent", "w"])


def test_everybody_sees_only_what_is_theirs(place: Place, tenant: House) -> None:
    other = build_house(place.deck, "other")
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, email=f"m@{tenant.workspace_id}.io", id="m", password="secret-secret"))
    secret, _ = tenant.key_who(user="u1", permissions=[Permission.READ])
    with place.client() as client:
        client.post("/api/v1/session", json={"email": f"m@{tenant.workspace_id}.io", "password": "secret-secret"})
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        refused = client.get(PATH, params={"workspace": other.workspace_id})
        assert problem(refused, 404)["code"] == "workspace_not_found"
        assert problem(client.get(PATH, params={"scope": "workspace"}), 403)["field"] == "scope"
    with follow(place.url, {"cookie": cookie}, columns="id") as member, following(place, secret) as owned:
        until(lambda: bool(member.events and owned.events))
        other.send([{"id": "theirs", "time": NOON, "user_id": "m"}, {"id": "theirs-too", "time": NOON, "user_id": "u1"}])
        tenant.send([{"id": "u1", "time": NOON, "user_id": "u1"}, {"id": "m", "time": NOON, "user_id": "m"}])
        tenant.send([{"id": "nobody", "time": NOON}, {"id": "m2", "time": NOON, "user_id": "m"}])
        until(lambda: len(member.rows) == 2 and bool(owned.rows))
    assert (member.ids, owned.ids) == (["m", "m2"], ["u1"])


def test_it_ends_with_the_key_and_with_the_session(place: Place, tenant: House) -> None:
    email = f"o@{tenant.workspace_id}.io"
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, email=email, password="secret-secret", role=Role.OWNER))
    secret, who = tenant.key_who()
    with place.client() as client:
        client.post("/api/v1/session", json={"email": email, "password": "secret-secret"})
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        with follow(place.url, {"cookie": cookie}, columns="id") as session, following(place, secret) as key:
            until(lambda: bool(session.events and key.events))
            tenant.do(admin.RevokeKey(workspace=tenant.workspace_id, id=who.key_id or ""))
            tenant.send([{"id": "a", "time": NOON}])
            until(lambda: key.closed and session.ids == ["a"])
            client.delete("/api/v1/session")
            tenant.send([{"id": "b", "time": NOON}])
            until(lambda: session.closed)
    assert [(tail.names[-1], tail.events[-1][2]["status"]) for tail in (key, session)] == [("end", 401)] * 2
    assert (key.ids, session.ids) == ([], ["a"])


def test_there_is_a_most_to_a_workspace_and_who_leaves_makes_room(place: Place, tenant: House) -> None:
    with place.client(tenant.api_key) as client, following(place, tenant.api_key), following(place, tenant.api_key):
        refused = client.get(PATH)
        said = problem(refused, 429)
        assert (said["code"], refused.headers["retry-after"]) == ("too_many_tails", "10")
        assert "2 live tails" in said["detail"]
        other = build_house(place.deck, "other")
        with following(place, other.api_key) as theirs:
            until(lambda: bool(theirs.events))
    free(place, tenant)
    with following(place, tenant.api_key) as tail:
        until(lambda: bool(tail.events))


@pytest.mark.parametrize(
    ("params", "field", "sentence"),
    [
        ({"after": "x"}, "after", "none of our places"),
        ({"after": "9" * 18}, "after", "ahead of everything"),
        ({"rate": "0"}, "rate", "between 1 and 200"),
        ({"columns": "id,staus"}, "columns", 'did you mean "status"'),
        ({"columns": "id,tries", "of": "deliveries"}, "columns", "what arrives are their attempts. Leave it out."),
        ({"filter": "took_ms:gt:1", "of": "deliveries"}, "filter", "what arrives are their attempts. Leave it out."),
        ({"of": "voices"}, "of", "requests"),
        ({"filter": "x"}, "filter", "not of the form"),
        ({"order": "asc"}, "order", "not permitted"),
    ],
)
def test_what_it_refuses(place: Place, tenant: House, params: dict[str, str], field: str, sentence: str) -> None:
    with place.client(tenant.api_key) as client:
        said = problem(client.get(PATH, params=params), 400)
        assert said["field"] == field
        assert sentence in said["detail"]
    with place.client() as client:
        assert problem(client.get(PATH), 401)["code"] == "needs_authorization"


def test_a_reader_who_stands_still_costs_nothing_and_is_told_what_was_left_out(place: Place, tenant: House) -> None:
    """Much more is sent than fits between server and reader; then the reader reads on."""
    address = urlsplit(place.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((address.hostname or "", address.port or 0))
        asked = f"GET {PATH}?columns=id,path&rate=200 HTTP/1.0\r\nhost: localhost\r\nxi-api-key: {tenant.api_key}\r\n\r\n"
        connection.sendall(asked.encode())
        head = connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 200")
        sent = 0
        until(lambda: tenant.workspace_id in place.deck.commits._listeners)
        for _ in range(8):
            place.clock.now += SECOND
            tenant.send({"id": f"{n}", "time": NOON, "path": "x" * 2000} for n in range(sent, sent + 2000))
            sent += 2000
        assert place.deck.writer.held == 0, "nobody waits for the reader"
        tail = Follower()
        heard = threading.Thread(target=lambda: tail.hear(_lines(connection)), daemon=True)
        heard.start()
        until(lambda: len(tail.rows) + tail.left_out == sent)
        assert len(set(tail.ids)) == len(tail.ids)
        assert tail.left_out > 0
        connection.shutdown(socket.SHUT_RDWR)
        heard.join(30)
    free(place, tenant)


def _lines(connection: socket.socket) -> Iterator[str]:
    """Lines behind the head of an answer, whatever of it has been read."""
    with connection.makefile("r", newline="\n") as lines:
        for line in lines:
            if line.startswith(("event: ", "id: ", "data: ")) or line == "\n":
                yield line.rstrip("\n")


def test_who_does_not_take_anything_loses_the_place(place: Place, tenant: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "PATIENCE", 0.2)
    address = urlsplit(place.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((address.hostname or "", address.port or 0))
        asked = f"GET {PATH}?columns=id,path&rate=200 HTTP/1.0\r\nhost: localhost\r\nxi-api-key: {tenant.api_key}\r\n\r\n"
        connection.sendall(asked.encode())
        until(lambda: tenant.workspace_id in place.deck.commits._listeners)
        for n in range(40):
            place.clock.now += 5 * SECOND
            tenant.send({"id": f"{n}-{m}", "time": NOON, "path": "x" * 2000} for m in range(500))
            if tenant.workspace_id not in place.deck.commits._listeners:
                break
        free(place, tenant)
