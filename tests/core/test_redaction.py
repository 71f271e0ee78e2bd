"""Secrets are recognised in every dress that they meet on the way into a text."""

import base64
import html
import json
import logging
import re
import time
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossdock.core.redaction import MASK, Redactor, SecretFilter, get_logger, guard_logs, sensitive_header

SECRET = 'pä55/w+rd "x" & <y>'


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.register([SECRET, "plain-token-0042", "abc"])
    return redactor


DRESSES = {
    "plain": str,
    "percent-encoded": lambda value: quote(value, safe=""),
    "percent-encoded, slash kept": quote,
    "percent-encoded in small letters": lambda value: re.sub(
        "%..", lambda found: found[0].lower(), quote(value, safe="")
    ),
    "form": quote_plus,
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON, letters kept": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "JSON, slash escaped": lambda value: json.dumps(value)[1:-1].replace("/", r"\/"),
    "HTML": html.escape,
    "repr": lambda value: repr(value)[1:-1],
    "repr of bytes": lambda value: repr(value.encode())[2:-1],
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("value", [SECRET, "plain-token-0042"])
def test_a_secret_is_masked_in_every_dress(redactor: Redactor, value: str, dress: str) -> None:
    text = f"before {DRESSES[dress](value)} between {DRESSES[dress](value)} after"
    assert redactor.redact(text) == f"before {MASK} between {MASK} after"


@pytest.mark.parametrize("user", ["u", "us", "use", "user"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_basic_credentials_are_masked_wherever_the_secret_begins(redactor: Redactor, user: str, encode) -> None:
    credentials = encode(f"{user}:{SECRET}:rest".encode()).decode()
    shown = redactor.redact(f"sent {credentials} there")
    assert MASK in shown
    # Gone are all letters but the two that the secret shares with its neighbours.
    assert len(shown) - len(MASK) <= len("sent  there") + len(credentials) - (len(SECRET.encode()) * 8 // 6 - 2)


def test_a_short_secret_is_masked_only_where_it_stands_alone(redactor: Redactor) -> None:
    assert redactor.redact("abc in abcd") == "abc in abcd"
    assert redactor.redact_value("abc") == MASK
    assert redactor.redact_value("abcd") == "abcd"


def test_secrets_of_one_text_are_forgotten_after_it(redactor: Redactor) -> None:
    assert redactor.redact("a passing-signature b", also=["passing-signature"]) == f"a {MASK} b"
    assert redactor.redact("a passing-signature b") == "a passing-signature b"


def test_the_longest_of_secrets_that_begin_alike_is_masked() -> None:
    redactor = Redactor()
    redactor.register(["secret", "secretlonger"])
    assert redactor.redact("secretlonger secret") == f"{MASK} {MASK}"


def test_an_empty_value_is_no_secret() -> None:
    redactor = Redactor()
    redactor.register([""])
    assert redactor.redact("all stays") == "all stays"
    assert redactor.redact_value("") == ""


@given(
    secret=st.text(min_size=4),
    before=st.text(alphabet="xyz ", max_size=5),
    after=st.text(alphabet="xyz ", max_size=5),
    dress=st.sampled_from(sorted(DRESSES)),
)
@example(secret="\ud800" * 4, before="", after="", dress="plain")
def test_no_registered_secret_survives(secret: str, before: str, after: str, dress: str) -> None:
    redactor = Redactor()
    redactor.register([secret])
    try:
        dressed = DRESSES[dress](secret)
    except UnicodeEncodeError:
        return  # a lone surrogate cannot be dressed so
    shown = redactor.redact(before + dressed + after)
    assert MASK in shown
    assert dressed not in shown.replace(MASK, "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"access_token": "abcdef", "expires_in": 5}', '{"access_token": "***", "expires_in": 5}'),
        ('{"client_secret":"a\\"b', '{"client_secret":"***"'),
        ("grant=x&refresh_token=abcdef&b=c", "grant=x&refresh_token=***&b=c"),
        ("<Password>abcdef</Password>", "<Password>***</Password>"),
        ("Authorization: Basic abcdef\nNext: x", "Authorization: ***\nNext: x"),
        ("set-cookie: session=abcdef; Path=/", "set-cookie: ***"),
        ('{"sku": "A-1", "name": "Token ring"}', '{"sku": "A-1", "name": "Token ring"}'),
        ("the token has expired", "the token has expired"),
    ],
)
def test_what_stands_under_a_telling_name_is_masked(text: str, shown: str) -> None:
    assert Redactor().redact(text) == shown


def test_a_url_keeps_the_names_of_its_query_alone(redactor: Redactor) -> None:
    query = urlencode({"status": "new", "key": SECRET})
    url = f"https://api.example.com/shops/plain-token-0042/orders?{query}&bare"
    assert redactor.redact_url(url) == f"https://api.example.com/shops/{MASK}/orders?status=…&key=…&…"
    assert redactor.redact_url("https://api.example.com/a") == "https://api.example.com/a"


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Api-Key", "Set-Cookie", "Miinto-Api-Auth-Signature", "X-Session-Id", "x-token"],
)
def test_headers_that_carry_credentials_are_known(name: str) -> None:
    assert sensitive_header(name)


@pytest.mark.parametrize("name", ["Content-Type", "Accept", "Retry-After", "X-Request-Id"])
def test_other_headers_are_shown(name: str) -> None:
    assert not sensitive_header(name)


def test_time_does_not_grow_with_the_number_of_secrets() -> None:
    few, many = Redactor(), Redactor()
    few.register([f"{number:06}-secret" for number in range(10)])
    many.register([f"{number:06}-secret" for number in range(5_000)])
    text = "An ordinary line of a log, id 12345, and nothing else. " * 200

    def seconds(redactor: Redactor) -> float:
        begin = time.perf_counter()
        redactor.redact(text)
        return time.perf_counter() - begin

    assert min(seconds(many) for _ in range(5)) < 20 * min(seconds(few) for _ in range(5))


def test_hostile_texts_are_masked_in_reasonable_time() -> None:
    begin = time.perf_counter()
    for text in ("a" * 65_536, "token" * 13_000, '"' * 65_536, "<" * 65_536, "authorization:" * 4_000, "a." * 32_000):
        Redactor().redact(text)
    assert time.perf_counter() - begin < 10


# --- logs ------------------------------------------------------------------------------------------------------------


class Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def collected() -> Iterator[Collected]:
    handler = Collected()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def guarded(redactor: Redactor) -> Iterator[logging.Logger]:
    logger = logging.getLogger("guarded.by.tests")
    logger.setLevel(logging.DEBUG)
    secrets = SecretFilter(redactor)
    logger.addFilter(secrets)
    yield logger
    logger.removeFilter(secrets)


def test_message_and_arguments_are_masked(guarded: logging.Logger, collected: Collected) -> None:
    guarded.info("plain-token-0042 and %s and %r", "plain-token-0042", {"a": "plain-token-0042"})
    assert collected.lines == [f"{MASK} and {MASK} and {{'a': '{MASK}'}}"]


def test_a_logged_traceback_is_masked(guarded: logging.Logger, collected: Collected) -> None:
    try:
        raise ValueError("plain-token-0042")
    except ValueError:
        guarded.exception("it failed")
    assert f"ValueError: {MASK}" in collected.lines[0]
    assert "plain-token-0042" not in collected.lines[0]


def test_a_malformed_log_call_is_masked_and_told(guarded: logging.Logger, collected: Collected) -> None:
    guarded.info("two %s %s", "plain-token-0042")
    assert collected.lines == [f"two %s %s ('{MASK}',)"]


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        (
            "httpx",
            'HTTP Request: GET https://api.example.com/a?b=plain-token-0042&c=never-registered "HTTP/1.1 200 OK"',
            'HTTP Request: GET https://api.example.com/a?b=…&c=… "HTTP/1.1 200 OK"',
        ),
        (
            "httpcore.http11",
            "receive_response_headers.complete return_value=(b'HTTP/1.1', 200, [(b'Set-Cookie', b'never-registered')])",
            "receive_response_headers.complete",
        ),
    ],
)
def test_lines_of_the_http_libraries_are_cut(redactor: Redactor, name: str, line: str, shown: str) -> None:
    record = logging.makeLogRecord({"name": name, "msg": line})
    assert SecretFilter(redactor).filter(record)
    assert record.getMessage() == shown


def test_every_logger_of_crossdock_and_of_the_http_libraries_is_guarded() -> None:
    older = logging.getLogger("crossdock.made.before")
    guard_logs()
    newer = get_logger("crossdock.made.after")
    names = ["crossdock", "httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"]
    for logger in (older, newer, *map(logging.getLogger, names)):
        assert [type(each) for each in logger.filters].count(SecretFilter) == 1
