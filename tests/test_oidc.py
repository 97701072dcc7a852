"""What an identity provider is believed, over HTTP against a real one: a token that is right in everything, and nothing else."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
from joserfc.jwk import ECKey, KeyParameters, OKPKey, RSAKey

from tests.house import StillClock
from tests.provider import CLIENT, SECRET, OpenIdProvider, new_key, openid_provider, settings_for
from usagedeck.errors import NotSignedIn, TooBusy
from usagedeck.id_tokens import ALGORITHMS
from usagedeck.oidc import Begun, Claims, Provider
from usagedeck.settings import Settings
from usagedeck.times import HOUR, MINUTE, SECOND

BACK = "https://deck.test/sign-in/callback"


@pytest.fixture
def theirs(clock: StillClock) -> Iterator[OpenIdProvider]:
    """The provider's side."""
    with openid_provider(clock) as running:
        yield running


Ours = Callable[..., Provider]


@pytest.fixture
def ours(theirs: OpenIdProvider, clock: StillClock) -> Iterator[Ours]:
    """Our side, with settings of its own."""
    made: list[Provider] = []

    def build(**more: Any) -> Provider:
        made.append(Provider(Settings(**settings_for(theirs, **more)), clock))
        return made[-1]

    yield build
    for one in made:
        one.close()


def code_for(begun: Begun, subject: str = "sub-ana") -> str:
    """Be a browser at the provider, and bring a code back."""
    answer = httpx2.get(f"{begun.address}&login={subject}", verify=False)  # it is http, and certificates take time to load
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{BACK}?")
    brought = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert brought["state"] == begun.state
    return brought["code"]


def sign_in(provider: Provider, subject: str = "sub-ana") -> Claims:
    begun = provider.begin(BACK)
    return provider.finish(code_for(begun, subject), begun.verifier, begun.nonce, BACK)


def refusal(provider: Provider, subject: str = "sub-ana") -> str:
    with pytest.raises(NotSignedIn) as refused:
        sign_in(provider, subject)
    assert refused.value.code == "identity_refused"
    return refused.value.message


# --- what is believed ---------------------------------------------------------------------------------------------


def test_whom_it_vouches_for(theirs: OpenIdProvider, ours: Ours) -> None:
    assert sign_in(ours()) == Claims(theirs.url, "sub-ana", "ana@example.com", "Ana")
    assert theirs.asked["/userinfo"] == 0, "what the token says is not asked again"


def test_every_sign_in_is_a_question_of_its_own(ours: Ours) -> None:
    provider = ours()
    asked = [parse_qs(urlsplit(provider.begin(BACK).address).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 43
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert provider.begin(BACK).verifier not in provider.begin(BACK).address


@pytest.mark.parametrize("in_token", [True, False], ids=["token", "user info"])
@pytest.mark.parametrize(
    ("said", "email"),
    [
        ({"email_verified": True}, "ana@example.com"),
        ({"email_verified": "true"}, "ana@example.com"),
        ({"email_verified": False}, None),
        ({"email_verified": "false"}, None),
        ({"email_verified": None}, None),
        ({"email_verified": 1.5}, None),
        ({"email": "nobody"}, None),
        ({"email": 5}, None),
        ({"email": "a@b@c"}, None),
        ({"email": "a\ud800@b"}, None),
        ({"email": f"{'a' * 200}@b"}, None),
    ],
)
def test_only_a_verified_address_counts(
    theirs: OpenIdProvider, ours: Ours, in_token: bool, said: dict[str, Any], email: str | None
) -> None:
    theirs.in_token = in_token
    theirs.people["sub-ana"] = theirs.people["sub-ana"] | said
    assert sign_in(ours()).email == email


@pytest.mark.parametrize("in_token", [True, False], ids=["token", "user info"])
@pytest.mark.parametrize(
    ("said", "email"),
    [
        ({"email_verified": None}, "ana@example.com"),
        ({"email_verified": True}, "ana@example.com"),
        ({"email_verified": False}, None),
        ({"email_verified": "false"}, None),
        ({"email_verified": ""}, None),
        ({"email_verified": 0}, None),
        ({"email": None, "email_verified": None}, None),
        ({"email": "a@b@c", "email_verified": None}, None),
    ],
)
def test_of_a_provider_whose_addresses_are_trusted_those_count_that_it_does_not_deny(
    theirs: OpenIdProvider, ours: Ours, in_token: bool, said: dict[str, Any], email: str | None
) -> None:
    theirs.in_token = in_token
    theirs.people["sub-ana"] = theirs.people["sub-ana"] | said
    assert sign_in(ours(oidc_trust_emails=True, oidc_domains="example.com")).email == email


def test_what_only_the_user_info_says_of_an_address_counts_as_well(theirs: OpenIdProvider, ours: Ours) -> None:
    theirs.claims = {"email_verified": None}
    assert sign_in(ours()).email == "ana@example.com"
    theirs.info = {"email_verified": False}
    for provider in (ours(), ours(oidc_trust_emails=True, oidc_domains="example.com")):
        assert sign_in(provider).email is None


def test_user_info_that_speaks_of_somebody_else(theirs: OpenIdProvider, ours: Ours) -> None:
    theirs.in_token = False
    theirs.info = {"sub": "sub-new"}
    assert "(sub)" in refusal(ours())


@pytest.mark.parametrize("kind", ["nowhere", "over the network in clear", "nonsense"])
def test_user_info_that_cannot_be_asked(theirs: OpenIdProvider, ours: Ours, kind: str) -> None:
    theirs.in_token = False
    if kind == "nonsense":
        theirs.broken = {"/userinfo"}
        with pytest.raises(TooBusy):
            sign_in(ours())
    else:
        theirs.metadata = {"userinfo_endpoint": None if kind == "nowhere" else "http://idp.test/userinfo"}
        assert sign_in(ours()) == Claims(theirs.url, "sub-ana", None, "")


@pytest.mark.parametrize(
    ("methods", "secret"),
    [(None, SECRET), (["client_secret_post"], SECRET), (["private_key_jwt", "client_secret_basic"], SECRET)],
)
def test_how_we_show_who_we_are(theirs: OpenIdProvider, ours: Ours, methods: list[str] | None, secret: str) -> None:
    theirs.methods, theirs.secret = methods, secret
    assert sign_in(ours()).subject == "sub-ana"
    assert "invalid_client" in refusal(ours(oidc_client_secret="another"))


def test_a_client_without_a_secret(theirs: OpenIdProvider, ours: Ours) -> None:
    theirs.secret = ""
    assert sign_in(ours()).subject == "sub-ana"


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "Ed25519"])
def test_other_kinds_of_keys(theirs: OpenIdProvider, ours: Ours, algorithm: str) -> None:
    more: KeyParameters = {"kid": "k", "use": "sig"}
    theirs.keys = [OKPKey.generate_key("Ed25519", more) if algorithm == "Ed25519" else RSAKey.generate_key(2048, more)]
    theirs.algorithm = algorithm
    assert sign_in(ours()).subject == "sub-ana"


@pytest.mark.parametrize(
    "said", [{"aud": [CLIENT]}, {"aud": [CLIENT, "other"], "azp": CLIENT}, {"azp": CLIENT}, {"exp": -60}, {"iat": 60}]
)
def test_tokens_that_are_right_in_another_way(
    theirs: OpenIdProvider, ours: Ours, clock: StillClock, said: dict[str, Any]
) -> None:
    """Clocks that differ by a minute are no reason."""
    theirs.claims = {name: clock.now // 1000 + value if name in ("exp", "iat") else value for name, value in said.items()}
    assert sign_in(ours()).subject == "sub-ana"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"iss": "https://evil.test"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another client"}, "aud"),
        ({"aud": ["another client"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": [CLIENT, "another"]}, "azp"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "azp"),
        ({"azp": "another"}, "azp"),
        ({"exp": -120}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": 10**15}, "exp"),
        ({"iat": 121}, "iat"),
        ({"iat": None}, "iat"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": 5}, "nonce"),
        ({"sub": ""}, "sub"),
        ({"sub": 5}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "\ud800"}, "sub"),
    ],
    ids=str,
)
def test_claims_that_are_wrong(theirs: OpenIdProvider, ours: Ours, clock: StillClock, said: dict[str, Any], why: str) -> None:
    times = ("exp", "iat")
    theirs.claims = {n: clock.now // 1000 + v if n in times and isinstance(v, int) and v < 10**6 else v for n, v in said.items()}
    if None in said.values():
        theirs.token = lambda claims: theirs.sign({n: v for n, v in claims.items() if n not in said})
    assert f"({why})" in refusal(ours())


def coded(part: bytes) -> str:
    return urlsafe_b64encode(part).decode().rstrip("=")


def unsigned(claims: dict[str, Any]) -> str:
    return ".".join([*(coded(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)), ""])


def test_a_token_that_nobody_signed(theirs: OpenIdProvider, ours: Ours) -> None:
    theirs.token = unsigned
    assert "cannot be read" in refusal(ours())


@pytest.mark.parametrize("secret", ["the client's", "the public key"])
def test_a_token_signed_with_a_secret_that_others_know(theirs: OpenIdProvider, ours: Ours, secret: str) -> None:
    public = theirs.keys[0]
    assert isinstance(public, ECKey)
    known = SECRET.encode() if secret == "the client's" else public.as_pem(private=False)

    def sign(claims: dict[str, Any]) -> str:
        parts = ".".join(coded(json.dumps(part).encode()) for part in (theirs.header() | {"alg": "HS256"}, claims))
        return f"{parts}.{coded(hmac.digest(known, parts.encode(), 'sha256'))}"

    theirs.token = sign
    assert "cannot be read" in refusal(ours())
    assert not any(name.startswith("HS") or name == "none" for name in ALGORITHMS)


def test_a_token_signed_by_somebody_else(theirs: OpenIdProvider, ours: Ours) -> None:
    foreign = new_key(theirs.keys[0].kid)
    theirs.token = lambda claims: theirs.sign(claims, foreign)
    assert "by no key of its own" in refusal(ours())


def test_a_token_with_a_key_of_its_own(theirs: OpenIdProvider, ours: Ours) -> None:
    """A key that a token brings along proves nothing."""
    foreign = new_key("its own")
    theirs.token = lambda claims: theirs.sign(claims, foreign, kid="its own", jwk=foreign.as_dict(private=False))
    assert "by no key of its own" in refusal(ours())


def test_a_token_changed_on_its_way(theirs: OpenIdProvider, ours: Ours) -> None:
    def change(claims: dict[str, Any]) -> str:
        head, _, end = theirs.sign(claims).split(".")
        return f"{head}.{coded(json.dumps({**claims, 'sub': 'sub-new'}).encode())}.{end}"

    theirs.token = change
    assert "by no key of its own" in refusal(ours())


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "e30.e30.", "a.b.c.d.e"])
def test_what_is_no_token(theirs: OpenIdProvider, ours: Ours, token: str) -> None:
    theirs.token = lambda _: token
    assert "cannot be read" in refusal(ours())


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by its name alone; providers go on using it
@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "RS1", "", None, 5])
def test_an_algorithm_that_does_not_fit_the_key(theirs: OpenIdProvider, ours: Ours, algorithm: Any) -> None:
    header = theirs.header() | {"alg": algorithm}
    theirs.token = lambda claims: f"{coded(json.dumps(header).encode())}.{coded(json.dumps(claims).encode())}.{coded(b'x' * 64)}"
    assert "its token" in refusal(ours())


def test_without_a_key_id_there_must_be_one_key(theirs: OpenIdProvider, ours: Ours) -> None:
    theirs.token = lambda claims: theirs.sign(claims, kid=None)
    assert sign_in(ours()).subject == "sub-ana"
    theirs.keys.append(new_key())
    assert "by no key of its own" in refusal(ours())


# --- keys that change ---------------------------------------------------------------------------------------------


def test_new_keys_are_looked_for_when_they_are_needed(theirs: OpenIdProvider, ours: Ours) -> None:
    provider = ours()
    sign_in(provider)
    old = theirs.keys[0]
    theirs.rotate()
    assert sign_in(provider).subject == "sub-ana"
    theirs.token = lambda claims: theirs.sign(claims, old, kid=old.kid)
    assert "by no key of its own" in refusal(provider), "what was taken back is worth nothing"


def test_a_new_key_may_have_the_name_of_the_old(theirs: OpenIdProvider, ours: Ours) -> None:
    provider = ours()
    sign_in(provider)
    theirs.keys = [new_key(theirs.keys[0].kid)]
    assert sign_in(provider).subject == "sub-ana"


def test_unknown_keys_do_not_make_us_ask_and_ask(theirs: OpenIdProvider, ours: Ours, clock: StillClock) -> None:
    provider = ours()
    theirs.token = lambda claims: theirs.sign(claims, kid="made up")
    for _ in range(5):
        refusal(provider)
    assert theirs.asked["/jwks"] == 2
    clock.now += MINUTE
    refusal(provider)
    assert theirs.asked["/jwks"] == 3


def test_what_it_says_of_itself_is_asked_again_after_an_hour(theirs: OpenIdProvider, ours: Ours, clock: StillClock) -> None:
    provider = ours()
    for _ in range(3):
        sign_in(provider)
    assert theirs.asked["/jwks"] == theirs.asked["/.well-known/openid-configuration"] == 1
    clock.now += HOUR
    sign_in(provider)
    assert theirs.asked["/jwks"] == theirs.asked["/.well-known/openid-configuration"] == 2


# --- codes --------------------------------------------------------------------------------------------------------


def test_a_code_is_good_once_and_for_who_asked(theirs: OpenIdProvider, ours: Ours) -> None:
    provider = ours()
    begun, other = provider.begin(BACK), provider.begin(BACK)
    code = code_for(begun)
    assert provider.finish(code, begun.verifier, begun.nonce, BACK).subject == "sub-ana"
    for verifier, nonce, back in (
        (begun.verifier, begun.nonce, BACK),
        (other.verifier, begun.nonce, BACK),
        (begun.verifier, begun.nonce, "https://evil.test/"),
        (begun.verifier, other.nonce, BACK),
    ):
        replayed = code if back == BACK and (verifier, nonce) == (begun.verifier, begun.nonce) else code_for(begun)
        with pytest.raises(NotSignedIn) as refused:
            provider.finish(replayed, verifier, nonce, back)
        assert ("(nonce)" if nonce == other.nonce else "(invalid_grant)") in refused.value.message
        assert "<" not in refused.value.message


def test_an_answer_of_the_token_endpoint_that_is_none(theirs: OpenIdProvider, ours: Ours) -> None:
    theirs.broken = {"/token"}
    with pytest.raises(TooBusy, match="does not answer as it should"):
        sign_in(ours())


# --- a provider that is not as it should be -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"issuer": "https://evil.test"}, 'it calls itself "https://evil.test"; set oidc_issuer to exactly that'),
        ({"issuer": None}, "it calls itself"),
        ({"authorization_endpoint": "http://idp.test/authorize"}, "its authorization_endpoint is not https"),
        ({"token_endpoint": "http://idp.test/token"}, "its token_endpoint is not https"),
        ({"jwks_uri": "ftp://idp.test/jwks"}, "its jwks_uri is not https"),
        ({"jwks_uri": 5}, "its jwks_uri is not https"),
    ],
)
def test_what_it_says_of_itself_must_fit(theirs: OpenIdProvider, ours: Ours, said: dict[str, Any], why: str) -> None:
    theirs.metadata = said
    with pytest.raises(TooBusy) as silent:
        ours().begin(BACK)
    assert why in silent.value.message
    assert silent.value.code == "provider_unreachable"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
def test_one_that_does_not_answer_is_left_alone_for_a_while(
    theirs: OpenIdProvider, ours: Ours, clock: StillClock, path: str
) -> None:
    theirs.broken = {path}
    provider = ours()
    for _ in range(3):
        with pytest.raises(TooBusy) as silent:
            provider.begin(BACK)
    assert silent.value.retry_after == 10
    assert theirs.asked[path] == 1
    theirs.broken = set()
    clock.now += 10 * SECOND
    assert sign_in(provider).subject == "sub-ana"


def test_one_that_is_not_there(ours: Ours) -> None:
    with pytest.raises(TooBusy, match="does not answer"):
        ours(oidc_issuer="http://127.0.0.1:9").begin(BACK)
