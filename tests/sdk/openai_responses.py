"""Responses of the official OpenAI SDK for Python, as its users write it, against whatever BASE_URL is.

Prints `ok NAME` for each thing that works, and ends with a traceback at the first that does not.
"""

import json
import os
import time

import openai
from pydantic import BaseModel

MODEL = os.environ["MODEL"]
WORDS = "All lines are fast."
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def client(**options) -> openai.OpenAI:
    settings = {"base_url": os.environ["BASE_URL"] + "/v1", "api_key": os.environ["KEY"], "timeout": 60}
    return openai.OpenAI(**{**settings, **options})


def user(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def create(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(
        model=MODEL, input="say", instructions="You are a harbour master.", max_output_tokens=64, store=False
    )
    assert answer.output_text == WORDS, answer
    assert (answer.status, answer.error, answer.object) == ("completed", None, "response"), answer
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (17, 4, 21), answer.usage
    assert [item.type for item in answer.output] == ["message"] and answer.id, answer


def stream(sdk: openai.OpenAI) -> None:
    events = list(sdk.responses.create(model=MODEL, input=user("say"), stream=True, store=False))
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == ["All ", "lines ", "are ", "fast."], deltas
    for kind in ["output_item.added", "content_part.added", "output_text.done", "content_part.done", "output_item.done"]:
        assert kinds.count("response." + kind) == 1, kinds
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final = events[-1].response
    assert (final.output_text, final.status, final.usage.output_tokens) == (WORDS, "completed", 4), final


def stream_helper(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(model=MODEL, input="say", store=False) as events:
        done = [event for event in events if event.type == "response.output_text.done"]
        assert done[0].text == WORDS, done
        assert events.get_final_response().output_text == WORDS


def check_calls(items) -> list:
    calls = [item for item in items if item.type == "function_call"]
    assert [call.name for call in calls] == ["weather", "weather"], items
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Bern", "Basel"], calls
    assert len({call.call_id for call in calls}) == 2, "calls need ids of their own"
    return calls


def tools(sdk: openai.OpenAI) -> None:
    said = user("use tools")
    answer = sdk.responses.create(model=MODEL, input=said, tools=[WEATHER], parallel_tool_calls=True, store=False)
    calls = check_calls(answer.output)
    said += answer.output
    for call, degrees in zip(calls, ["4", "6"]):
        said.append({"type": "function_call_output", "call_id": call.call_id, "output": degrees})
    answer = sdk.responses.create(model=MODEL, input=said, tools=[WEATHER], store=False)
    assert answer.output_text == "Results: 4, 6.", answer


def streamed_tools(sdk: openai.OpenAI) -> None:
    events = list(sdk.responses.create(model=MODEL, input=user("use tools"), tools=[WEATHER], stream=True, store=False))
    pieces = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            pieces.setdefault(event.output_index, []).append(event.delta)
    done = {event.output_index: event.arguments for event in events if event.type == "response.function_call_arguments.done"}
    assert {at: "".join(parts) for at, parts in pieces.items()} == done, (pieces, done)
    assert len(done) == 2 and all(len(parts) > 1 for parts in pieces.values()), "arguments come in fragments"
    check_calls(events[-1].response.output)


class Boat(BaseModel):
    name: str
    berths: int


def structured(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.parse(model=MODEL, input=user("structured"), text_format=Boat, store=False)
    assert answer.output_parsed == Boat(name="Alma", berths=4), answer


def refused_key(_: openai.OpenAI) -> None:
    try:
        client(api_key="sk-wrong").responses.create(model=MODEL, input="say")
        raise AssertionError("a wrong key was accepted")
    except openai.AuthenticationError as error:
        assert error.status_code == 401 and error.body["message"], error


def unknown_model(sdk: openai.OpenAI) -> None:
    try:
        sdk.responses.create(model="no-such-model", input="say")
        raise AssertionError("an unknown model was accepted")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error.body


def bad_request(sdk: openai.OpenAI) -> None:
    try:
        sdk.responses.create(model=MODEL, input="refuse", store=False)
        raise AssertionError("it was accepted")
    except openai.BadRequestError as error:
        assert "too long" in error.message, error


def stream_refused(sdk: openai.OpenAI) -> None:
    try:
        sdk.responses.create(model=MODEL, input="refuse", stream=True, store=False)
        raise AssertionError("it was accepted")
    except openai.BadRequestError as error:
        assert "too long" in error.message, error


def rate_limited(sdk: openai.OpenAI) -> None:
    try:
        sdk.with_options(max_retries=0).responses.create(model=MODEL, input="limit always", store=False)
        raise AssertionError("it was accepted")
    except openai.RateLimitError as error:
        assert error.response.headers["retry-after"], error.response.headers


def retried(sdk: openai.OpenAI) -> None:
    began = time.monotonic()
    answer = sdk.with_options(max_retries=4).responses.create(model=MODEL, input="limit once", store=False)
    assert answer.output_text == WORDS
    assert time.monotonic() - began >= 0.9, "Retry-After was not waited for"


def main() -> None:
    sdk = client()
    checks = [create, stream, stream_helper, tools, streamed_tools, structured, refused_key, unknown_model]
    checks += [bad_request, stream_refused, rate_limited, retried]
    for check in checks:
        check(sdk)
        print("ok", check.__name__, flush=True)


main()
