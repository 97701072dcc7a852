"""What is taken out of headers and bodies, and what is left as it was."""

import base64
import contextlib
import gzip
import json
from random import Random
from urllib.parse import quote, quote_plus

import pytest

from usagedeck.errors import InvalidInput
from usagedeck.redacting import MARK, Unsure, read_rules, redactor
from usagedeck.redacting.names import is_secret, is_secret_header

HIDE = "Zq7hunter2Xw"
RULES = (
    "header:X-Customer",
    "json:$.card.number",
    "json:$..ssn",
    "json:$.items[*].email",
    "json:$.list[1]",
    "pattern:CUST-[0-9]{6}",
)


def text(body: str, kind: str = "", rules: tuple[str, ...] = ()) -> str:
    return redactor(rules).text(body, kind)


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "proxy-authorization", "Cookie", "SET-COOKIE", "x-api-key", "xi-api-key", "X-Auth-Token"),
        *("X-Goog-Api-Key", "Ocp-Apim-Subscription-Key", "X-Amz-Security-Token", "X-CSRF-Token", "api_key", "X-Secret"),
        *("Cf-Access-Jwt-Assertion", "X-Hub-Signature-256", "x-session-id", "Private-Token", "X-Vault-Token"),
    ],
)
def test_headers_that_go_by_the_name_of_a_secret(name: str) -> None:
    assert redactor(()).headers([(name, HIDE), ("Accept", "*/*")]) == [(name, MARK), ("Accept", "*/*")]


def test_blanks_around_the_name_of_a_header_hide_nothing() -> None:
    for name in (" X-Customer ", "Cookie ", " x-api-key"):
        assert redactor(RULES).headers([(name, HIDE)]) == [(name, MARK)]


@pytest.mark.parametrize(
    "name", ["Content-Type", "Idempotency-Key", "X-Request-Id", "User-Agent", "Accept", "X-Tokens-Left", "Keep-Alive", "Age"]
)
def test_headers_that_say_no_secret(name: str) -> None:
    assert redactor(()).headers([(name, "plain")]) == [(name, "plain")]


def test_values_of_headers_are_looked_at_too() -> None:
    found = redactor(RULES).headers(
        [
            ("Referer", f"https://a.test/x?token={HIDE}&page=2"),
            ("X-Note", "order of CUST-123456"),
            ("x-customer", "Bob"),
            ("Via", f"Bearer {HIDE}"),
            ("X-Data", base64.b64encode(json.dumps({"password": HIDE}).encode()).decode()),
        ]
    )
    assert HIDE not in str(found)
    assert found[0] == ("Referer", f"https://a.test/x{MARK}&page=2")
    assert found[1:3] == [("X-Note", f"order of {MARK}"), ("x-customer", MARK)]


@pytest.mark.parametrize(
    "name",
    ["password", "userPassword", "client_secret", "apiKey", "API_KEY", "xiApiKey", "access-token", "token", "jwt", "sessionId"],
)
def test_members_that_go_by_the_name_of_a_secret(name: str) -> None:
    for value in (HIDE, 12345, [HIDE], {"deep": HIDE}):
        assert json.loads(text(json.dumps({"a": [{name: value}], "b": 1.50})))["a"][0] == {name: MARK}
    for nothing in (None, True, ""):
        body = json.dumps({name: nothing})
        assert text(body) == body, "nothing is in it"


@pytest.mark.parametrize(
    "name", ["max_tokens", "input_tokens", "translation_key", "token_type", "key", "author", "monkey", "passage"]
)
def test_members_that_say_no_secret(name: str) -> None:
    assert not is_secret(name)
    body = json.dumps({name: "plain"})
    assert text(body) == body
    assert is_secret_header(name) == (name in ("key", "translation_key")), "of headers every key is one"


SECRETS = [
    f"Bearer {HIDE}.{HIDE}",
    "Basic dXNlcjpodW50ZXIy",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "sk-proj-abcdefghijklmnop1234",
    "xi_0123456789abcdef0123456789abcdef",
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "github_pat_11ABCDEFG0123456789_abc",
    "glpat-ABCDEFGHIJ0123456789",
    "xoxb-123456789012-abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    f"-----BEGIN RSA PRIVATE KEY-----\n{HIDE}\n{HIDE}\n-----END RSA PRIVATE KEY-----",
    f"https://user:{HIDE}@db.test/x",
    f"password={HIDE}",
    f"api_key: '{HIDE} {HIDE}'",
    f'"client_secret": "{HIDE}"',
    f"<password>{HIDE}</password>",
    f"Cookie: a={HIDE}; b={HIDE}",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_by_how_they_look(secret: str) -> None:
    """Wherever they stand, and whatever they are written in."""
    forms = {
        "text": (f"before {secret} behind", "text/plain"),
        "JSON": (json.dumps({"note": [f"before {secret} behind"]}), "application/json"),
        "name of a member": (json.dumps({secret: 1}), "application/json"),
        "JSON in JSON": (json.dumps({"log": json.dumps({"line": secret})}), "application/json"),
        "JSON with escapes": (json.dumps({"note": "".join(f"{c}" for c in secret)}).replace("e", "\\u0065"), "application/json"),
        "lines of JSON": (f"{json.dumps({'a': secret})}\n{json.dumps({'b': 1})}\n", "application/x-ndjson"),
        "events": (f"event: x\ndata: {json.dumps({'a': secret})}\n\ndata: [DONE]\n\n", "text/event-stream"),
        "a form": (f"a=1&b={quote_plus(secret)}", "application/x-www-form-urlencoded"),
        "percent signs": (f"go to {quote(secret, safe='')} now", "text/plain"),
        "base64": (json.dumps({"data": base64.b64encode(secret.encode()).decode()}), "application/json"),
        "base64 for addresses": (f"x {base64.urlsafe_b64encode(secret.encode()).decode()} y", "text/plain"),
        "a part": (
            f'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n{secret}\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
    }
    core = HIDE if HIDE in secret else secret[-16:]
    for form, (body, kind) in forms.items():
        if form == "JSON with escapes":
            assert json.loads(body)["note"] == secret
        made = text(body, kind)
        assert MARK in made or quote_plus(MARK) in made, form
        hidden = (core, quote_plus(core), base64.b64encode(secret.encode()).decode()[:16], core.replace("e", "\\u0065"))
        assert not any(one in made for one in hidden), (form, made)


PLAIN = [
    "The basic principle: bearers of good news, and the secret of life.",
    '{"text": "Read this aloud, please.",  "voice": {"id": "21m00Tcm4TlvDq8ikWAM", "speed": 1.50}, "n": 1e3}',
    '{"a":"\\u00e9 \\/ \\ud83d\\ude00","empty":{},"none":[],"deep":[[[{"x":null}]]]}',
    "a=1&b=two+words&c=%C3%A9",
    "<speak>Hello <break time='1s'/> world</speak>",
    "",
    "   \n",
    "100%",
    '\ufeff{"a": "b"} \n',
    'data: {"delta": "he"}\n\ndata: {"delta": "llo"}\n\ndata: [DONE]\n',
]


@pytest.mark.parametrize("body", PLAIN)
def test_what_has_no_secret_stays_to_the_last_blank(body: str) -> None:
    assert text(body) == body
    assert text(body, "", RULES) == body


@pytest.mark.parametrize("before", ["\ufeff", " \ufeff\n", "\u00a0", "\x1e"])
def test_what_stands_before_a_body_hides_nothing_in_it(before: str) -> None:
    for body in (
        f'{{"pwd": "{HIDE}", "ssn": "{HIDE}"}}',
        f'data: {{"pwd": "{HIDE}"}}\n\ndata: [DONE]',
        f"ssn={HIDE}&pwd={HIDE}",
        json.dumps({"a": f'{before}{{"pwd": "{HIDE}"}}'}),
    ):
        assert HIDE not in text(before + body, "", RULES)
    with pytest.raises(Unsure):
        text(f'{before}{{"ssn": "{HIDE}", "cut', "", RULES)


@pytest.mark.parametrize("length", range(3))
def test_base64_alone_is_no_form(length: int) -> None:
    """Although it ends as one may begin."""
    body = base64.b64encode(json.dumps({"password": HIDE + "x" * length}).encode()).decode()
    assert text(body) == MARK + "=" * body.count("=")


def test_all_of_a_form_is_looked_at() -> None:
    key = f"ghp_{HIDE}{HIDE}{HIDE}"
    assert text(f"{key}=1&a=2") == f"{MARK}=1&a=2"
    assert HIDE not in text(f"https://u:{HIDE}@x.test/?a=1&b=2")
    for body in ("flag&pwd={}", "&pwd={}", "pwd={}&flag", "pwd={}&&a=1", "pwd&pwd={}&"):
        assert text(body.format(HIDE)) == body.format(MARK)


def test_what_is_written_anew_says_the_same() -> None:
    body = (
        '{"a": 1.50, "big": 123456789012345678901234567890, "e": 1E400, '
        '"s": "\\u00e9\\n", "password": "x", "o": {}, "l": [], "t": [true, null]}'
    )
    assert text(body) == (
        f'{{"a":1.50,"big":123456789012345678901234567890,"e":1E400,"s":"é\\n","password":"{MARK}","o":{{}},"l":[],"t":[true,null]}}'
    )


def test_paths_of_rules() -> None:
    body = {
        "card": {"number": 4111111111111111, "name": "B"},
        "a": {"ssn": "1", "l": [{"ssn": {"x": 2}}]},
        "items": [{"email": "a", "id": 1}, {"email": "b"}],
        "list": ["keep", "go", "keep"],
        "number": 7,
    }
    assert json.loads(text(json.dumps(body), "", RULES)) == {
        "card": {"number": MARK, "name": "B"},
        "a": {"ssn": MARK, "l": [{"ssn": MARK}]},
        "items": [{"email": MARK, "id": 1}, {"email": MARK}],
        "list": ["keep", MARK, "keep"],
        "number": 7,
    }
    assert text("ssn=123&number=7", "application/x-www-form-urlencoded", RULES) == f"ssn={MARK}&number=7"
    part = '--b\r\nContent-Disposition: form-data; name="ssn"\r\n\r\n123\r\n--b--\r\n'
    assert "123" not in text(part, "multipart/form-data; boundary=b", RULES)


@pytest.mark.parametrize("name", ['"ssn"', "ssn", "'ssn'", '"pwd"; filename="a"', "pwd; filename=a", "a; name*=utf-8'en'p%77d"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_parts_by_their_names(name: str, end: str) -> None:
    """However a name is spelt and lines end."""
    lines = ("--b", f"Content-Disposition: form-data; name={name}", "", HIDE, "\r\n\r\n", HIDE, "--b--", "")
    made = text(end.join(lines), "multipart/form-data; boundary=b", RULES)
    assert HIDE not in made
    assert made.startswith(end.join(lines[:3]))


def test_patterns_of_rules() -> None:
    for body in (
        "x CUST-123456 y",
        '{"id":"CUST-123456"}',
        '{"CUST-123456":1}',
        '{"a":"b","c":["CUST-\\u0031\\u003223456"]}',
        "q=CUST%2D123456",
    ):
        made = text(body, "", RULES)
        assert MARK in made
        assert "123456" not in made
        assert "23456" not in made
    assert text('{"card": 4111111111111111, "n": 12}', "", ("pattern:[0-9]{16}",)) == f'{{"card":"{MARK}","n":12}}', "numbers too"
    over = ('pattern:"first":"[a-z]+","last"',)
    assert "anna" not in text('{"first":"anna","last":"b"}', "", over), "also over more than one of its texts"


def test_of_members_that_stand_twice_none_is_left() -> None:
    made = text(f'{{"a": "CUST-123456", "b": {{"ssn": "{HIDE}", "x": 1}}, "b": {{"x": 2}}, "a": "ok"}}', "", RULES)
    assert json.loads(made) == {"a": "ok", "b": {"x": 2}}
    assert HIDE not in made


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (f'{{"ssn": "{HIDE}", "cut', ""),
        (f'{{\n  "ssn": "{HIDE}",\n  "cut": [\n', ""),
        (f'{{"a":1}}\n{{"ssn":"{HIDE}", "cut\n', "application/x-ndjson"),
        (f'data: {{"a":1}}\n\ndata: {{"ssn":"{HIDE}\n\n', "text/event-stream"),
        (f"ssn {HIDE}", "application/json"),
        ("[" * 5000 + f'"{HIDE}"' + "]" * 5000, ""),
        ("[" * 150 + f'"{HIDE}"' + "]" * 150, ""),
        (" ".join(f"CUST-{n:06}" for n in range(1000)), "text/plain"),
        (f'password="{MARK}" ' * 300 + f'password="{HIDE}"', "text/plain"),
    ],
)
def test_what_cannot_be_told_is_not_kept(body: str, kind: str) -> None:
    with pytest.raises(Unsure):
        text(body, kind, RULES)


def test_marks_that_stood_there_before_are_no_matches() -> None:
    assert text(f"{MARK} " * 300 + f'password="{HIDE}"') == f"{MARK} " * 300 + MARK


def test_bytes_that_are_no_text() -> None:
    audio = bytes(range(256)) * 8
    assert redactor(RULES).binary(audio) == audio
    for secret in (f"Bearer {HIDE}{HIDE}".encode(), "password=hunter2hunter2".encode("utf-16-le"), b"CUST-123456"):
        with pytest.raises(Unsure):
            redactor(RULES).binary(b"\xff\xfe\xfd" + secret + audio)
    parts = (
        b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n' + HIDE.encode() + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + audio
        + b"\r\n--b--\r\n"
    )
    made = redactor(()).binary(parts, "multipart/form-data; boundary=b")
    assert HIDE.encode() not in made
    assert audio in made


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (f'{{"pwd": "{HIDE}", "a": "\u00e9"}}', "application/json"),
        (f'{{"pwd": "{HIDE}", "a": "\u00e9"}}', ""),
        (f'{{"a": "\u00e9"}}\n{{"ssn": "{HIDE}"}}\n', ""),
        (f'{{"ssn": "{HIDE}", "cut": "\u00e9', ""),
        (f"a=\u00e9&pwd={HIDE}", "application/x-www-form-urlencoded"),
    ],
)
def test_text_in_letters_that_nobody_named_is_read_all_the_same(body: str, kind: str) -> None:
    """Nothing can be taken out of it, so it is left out; without a secret it stays."""
    for data in (body.encode("latin-1"), body.encode("utf-16-be") + b"\xd8\x00"):
        with pytest.raises(Unsure):
            redactor(RULES).binary(data, kind)
    harmless = body.replace("pwd", "x").replace("ssn", "x").replace('"cut": "\u00e9', '"y": "\u00e9"}').encode("latin-1")
    assert redactor(RULES).binary(harmless, kind) == harmless
    with pytest.raises(Unsure):
        text(f'{{"pwd": "{HIDE}"}}'.encode("utf-16-le").decode())


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("pattern:(a", "missing )"),
        ("pattern:(?=a)b", "(?="),
        (r"pattern:(a)\1", "invalid escape"),
        ("pattern:a{5000}", "repetition"),
        ("pattern:a*", "empty text"),
        ("pattern:" + "a" * 301, "1 to 300"),
        ("pattern:", "1 to 300"),
        ("json:card", "no path"),
        ("json:$", "no path"),
        ("json:$.a[", "no path"),
        ("header:", "1 to 300"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(rule: str, said: str) -> None:
    with pytest.raises(InvalidInput, match="(?i)" + said.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")) as refused:
        read_rules([rule])
    assert refused.value.field == "redactions"


def test_no_text_makes_a_pattern_slow() -> None:
    """Patterns that take other engines years, on the largest text there is: this ends."""
    for rule, body in (
        ("pattern:(a+)+$", "a" * 250_000 + "b"),
        ("pattern:(a|aa)+c", "a" * 250_000),
        ("pattern:x(?:[^z]*z)?", "x" * 250_000),
        ("pattern:(?:a?){50}a{50}", "a" * 250_000),
    ):
        for form in (body, json.dumps([body])):
            with contextlib.suppress(Unsure):
                text(form, "", (rule,))
    for nasty in (
        "%" * 250_000,
        "a%" * 100_000,
        "A" * 250_000,
        "{" * 250_000,
        "a=" * 100_000,
        "=&" * 100_000,
        "--" * 100_000,
        "}\n" * 50_000,
    ):
        with contextlib.suppress(Unsure):
            text(nasty, "", RULES)


def test_packed_texts_are_not_for_the_redactor() -> None:
    """It sees bytes that are no text; whoever hands it bodies unpacks them first."""
    packed = gzip.compress(HIDE.encode())
    assert redactor(()).binary(packed) == packed


PIECES = (
    *("{", "}", "[", "]", '"', ":", ",", "\\", "\n", "data: ", "--b", "password", "=", "&", "%41", "%", "Bearer ", "ssn", "1"),
    *("\ud800", "é", "\0", "\r\n", 'name="x"', "content-disposition: form-data", '{"a":"b"}', "eyJabc.def.", " ", "\\u00"),
    *(
        "CUST-123456",
        "CUST-123456",
        "multipart",
        "-----BEGIN PRIVATE KEY-----",
        "<password>",
        "[DONE]",
        "Zm9vYmFyYmF6cXV4cXV1eA==",
    ),
)
KINDS = ("", "application/json", "multipart/form-data; boundary=b", "text/event-stream", "application/x-www-form-urlencoded")


def test_nonsense_is_cleaned_or_left_out_and_never_a_surprise() -> None:
    dice, kept = Random(5), 0
    for _ in range(500):
        body = "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 30)))
        with contextlib.suppress(Unsure):
            assert "CUST-123456" not in text(body, dice.choice(KINDS), RULES), body
            kept += 1
        with contextlib.suppress(Unsure):
            assert b"CUST-123456" not in redactor(RULES).binary(
                b"\xff" + body.encode("utf-8", "surrogatepass"), dice.choice(KINDS)
            )
    assert kept > 200
