"""Messages to a webhook: harmless in a chat, patient with a busy one, silent about its address."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from ctanalytics.emitters import parse_target
from ctanalytics.emitters.base import Alert, Emitter, Outside
from ctanalytics.emitters.delivery import Pace, Tally, deliver
from ctanalytics.emitters.webhook import MAX_CHARACTERS
from ctanalytics.errors import EmitError, UsageError
from ctanalytics.settings import Aws
from tests.emitters.alerts import NOW, alert, incident

SECRET = "T000-B000-not-a-secret"


@dataclass
class Chat:
    """A local service that takes messages, and gives the next of its answers."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)


@pytest.fixture(scope="module")
def service() -> Iterator[Chat]:
    chat = Chat()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        request = Request(environ)
        answer = chat.answers.pop(0) if chat.answers else Response("ok")
        if answer.status_code == 200:
            chat.messages.append(json.loads(request.get_data()))
            chat.headers.append(dict(request.headers))
        return answer(environ, start)

    http = make_server("127.0.0.1", 0, app, threaded=True)
    chat.url = f"http://127.0.0.1:{http.server_port}/services/{SECRET}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield chat
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def chat(service: Chat) -> Chat:
    service.messages.clear()
    service.headers.clear()
    service.answers.clear()
    return service


def emitter(address: str) -> Emitter:
    return parse_target(f"webhook:{address}", Outside(Aws(), io.StringIO())).emitter


def post(chat: Chat, *alerts: Alert) -> tuple[Tally, list[float]]:
    tally, slept = Tally(), []
    pace = Pace(sleep=slept.append)
    deliver(emitter(chat.url), alerts, {}, lambda _: None, tally=tally, now=NOW, pace=pace)
    return tally, slept


def test_a_message_reads_and_carries_an_id(chat: Chat) -> None:
    tally, _ = post(chat, incident())
    assert tally.sent == 1
    (message,) = chat.messages
    head, _, rest = message["text"].partition("\n")
    assert head == "*[HIGH] ci does what it never did (i)*"
    assert "  - Ask who runs ci." in rest
    assert "ATT&amp;CK      T1098.001" in rest
    assert chat.headers[0]["Idempotency-Key"] == incident().alert_id.replace(":", "_")


def test_nothing_in_a_message_is_a_mention_a_link_or_the_end_of_its_block(chat: Chat) -> None:
    evil = "<!channel> <https://evil.example|click> ``` *bold* & @here"
    post(chat, alert(title=evil, explanation=evil, principal_arn=evil))
    text = chat.messages[0]["text"]
    assert "<" not in text
    assert ">" not in text
    assert text.count("```") == 2
    assert text.partition("\n")[0].count("*") == 2
    assert (chat.messages[0]["parse"], chat.messages[0]["link_names"]) == ("none", False)


def test_a_long_message_loses_the_ends_of_sentences_first_and_then_lines(chat: Chat) -> None:
    sql = "\n".join(f"-- line {n}" for n in range(2_000))
    post(
        chat,
        incident(next_steps=["s" * 900] * 9),
        alert(explanation="w" * 9_000, evidence=json.dumps({"sql": sql})),
        incident(story="\n".join(["t" * 99] * 60)),
    )
    steps, sentence, story = (message["text"] for message in chat.messages)
    assert all(len(message["text"]) < MAX_CHARACTERS + 400 for message in chat.messages)
    assert steps.count("s…\n") == 9
    assert "This message is shortened." in steps
    assert "incidents show" in steps
    assert "w" * 999 + "…\n" in sentence
    assert story.endswith("t\n…\n```")


def test_a_busy_webhook_gets_the_time_it_asks_for(chat: Chat) -> None:
    chat.answers += [Response(status=429, headers={"Retry-After": "7"}), Response(status=503)]
    tally, slept = post(chat, alert())
    assert tally.sent == 1
    assert 7 <= slept[0] <= 8.75
    assert len(slept) == 2


def test_a_webhook_that_wants_to_rest_for_long_gets_the_rest_in_the_next_run(chat: Chat) -> None:
    chat.answers += [Response(status=429, headers={"Retry-After": "900"})]
    tally, slept = post(chat, alert("a"), alert("b"))
    assert (tally.sent, tally.settled, slept, chat.messages) == (0, set(), [], [])


def test_a_message_that_is_refused_is_the_messages_fault(chat: Chat) -> None:
    chat.answers += [Response("invalid_payload", status=400)]
    tally, _ = post(chat, alert("a"), alert("b"))
    assert (tally.sent, tally.refused) == (1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Response("no_service", status=404), id="gone"),
        pytest.param(
            Response(status=302, headers={"Location": "http://127.0.0.1:1/x"}), id="moved"
        ),
        pytest.param(None, id="nobody-listens"),
        pytest.param("names", id="no-such-host"),
    ],
)
def test_no_error_tells_the_address(chat: Chat, answer: Response | str | None) -> None:
    url = chat.url
    if isinstance(answer, Response):
        chat.answers.append(answer)
    else:
        url = f"https://127.0.0.1:1/{SECRET}" if answer is None else f"https://x.invalid/{SECRET}"
    with pytest.raises(EmitError) as caught:
        emitter(url).send([alert()])
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(emitter(url))
    assert caught.value.__cause__ is None
    assert caught.value.where.startswith("webhook:")
    assert chat.messages == []


def test_the_outbox_knows_a_webhook_by_host_and_hash() -> None:
    one, other = (emitter(f"https://hooks.example.com/{name}").target for name in "ab")
    assert one.startswith("webhook:hooks.example.com#")
    assert one != other


def test_an_address_may_stand_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT", "https://hooks.example.com/a")
    assert emitter("env:CHAT").target == emitter("https://hooks.example.com/a").target
    monkeypatch.delenv("CHAT")
    with pytest.raises(UsageError, match="CHAT"):
        emitter("env:CHAT")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/secret",
        "http://127.0.0.1.example.com/secret",
        "http://localhost@example.com/secret",
        "ftp://example.com/secret",
        "file:///etc/passwd",
        "https://",
        "https://example.com/a b",
        "https://example.com:port/secret",
        "https://[::1/secret",
        "",
    ],
)
def test_what_would_go_in_clear_text_or_nowhere_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        emitter(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_this_machine_may_be_reached_without_tls(host: str) -> None:
    assert emitter(f"http://{host}:8065/hooks/x").target
