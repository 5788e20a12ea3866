"""The official OpenAI SDK for Python, as its users write it, against whatever BASE_URL is.

Prints `ok NAME` for each thing that works, and ends with a traceback at the first that does not.
"""

import json
import os
import time

import openai
from pydantic import BaseModel

MODEL = os.environ["MODEL"]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def client(**options) -> openai.OpenAI:
    settings = {"base_url": os.environ["BASE_URL"] + "/v1", "api_key": os.environ["KEY"], "timeout": 60}
    return openai.OpenAI(**{**settings, **options})


def user(text: str) -> list[dict]:
    return [{"role": "system", "content": "You are a harbour master."}, {"role": "user", "content": text}]


def chat(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model=MODEL, messages=user("say"), temperature=0.5, max_tokens=64)
    assert answer.choices[0].message.content == "All lines are fast.", answer
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (17, 4), answer.usage
    assert answer.usage.total_tokens == 21
    assert answer.object == "chat.completion" and answer.id


def stream(sdk: openai.OpenAI) -> None:
    options = {"include_usage": True}
    events = list(sdk.chat.completions.create(model=MODEL, messages=user("say"), stream=True, stream_options=options))
    deltas = [choice.delta.content for event in events for choice in event.choices if choice.delta.content]
    assert deltas == ["All ", "lines ", "are ", "fast."], deltas
    finish = [choice.finish_reason for event in events for choice in event.choices if choice.finish_reason]
    assert finish == ["stop"], finish
    assert events[-1].choices == [] and events[-1].usage.completion_tokens == 4, events[-1]
    assert len({event.id for event in events}) == 1


def stream_without_usage(sdk: openai.OpenAI) -> None:
    events = list(sdk.chat.completions.create(model=MODEL, messages=user("say"), stream=True))
    assert all(event.usage is None for event in events), "usage that was not asked for"
    assert all(event.choices for event in events), "an event without choices"


def stream_helper(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model=MODEL, messages=user("say")) as events:
        done = [event for event in events if event.type == "content.done"]
        assert done[0].content == "All lines are fast.", done
        assert events.get_final_completion().choices[0].message.content == "All lines are fast."


def check_calls(calls) -> None:
    assert [call.function.name for call in calls] == ["weather", "weather"], calls
    cities = [json.loads(call.function.arguments)["city"] for call in calls]
    assert cities == ["Bern", "Basel"], cities
    assert len({call.id for call in calls}) == 2, "calls need ids of their own"


def tools(sdk: openai.OpenAI) -> None:
    messages = user("use tools")
    answer = sdk.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], parallel_tool_calls=True)
    assert answer.choices[0].finish_reason == "tool_calls", answer
    calls = answer.choices[0].message.tool_calls
    check_calls(calls)
    messages.append(answer.choices[0].message)
    for call, degrees in zip(calls, ["4", "6"]):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": degrees})
    answer = sdk.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "Results: 4, 6.", answer


def streamed_tools(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model=MODEL, messages=user("use tools"), tools=[WEATHER]) as events:
        fragments = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
        assert len(fragments) > 2, "arguments come in fragments"
        final = events.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    check_calls(final.choices[0].message.tool_calls)


class Boat(BaseModel):
    name: str
    berths: int


def structured(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.parse(model=MODEL, messages=user("structured"), response_format=Boat)
    assert answer.choices[0].message.parsed == Boat(name="Alma", berths=4), answer


def models(sdk: openai.OpenAI) -> None:
    assert MODEL in [model.id for model in sdk.models.list()]


def refused_key(_: openai.OpenAI) -> None:
    try:
        client(api_key="sk-wrong").chat.completions.create(model=MODEL, messages=user("say"))
        raise AssertionError("a wrong key was accepted")
    except openai.AuthenticationError as error:
        assert error.status_code == 401 and error.body["message"], error


def unknown_model(sdk: openai.OpenAI) -> None:
    try:
        sdk.chat.completions.create(model="no-such-model", messages=user("say"))
        raise AssertionError("an unknown model was accepted")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error.body


def bad_request(sdk: openai.OpenAI) -> None:
    try:
        sdk.chat.completions.create(model=MODEL, messages=user("refuse"))
        raise AssertionError("it was accepted")
    except openai.BadRequestError as error:
        assert "too long" in error.message, error


def rate_limited(sdk: openai.OpenAI) -> None:
    try:
        sdk.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=user("limit always"))
        raise AssertionError("it was accepted")
    except openai.RateLimitError as error:
        assert error.response.headers["retry-after"], error.response.headers


def retried(sdk: openai.OpenAI) -> None:
    began = time.monotonic()
    answer = sdk.with_options(max_retries=4).chat.completions.create(model=MODEL, messages=user("limit once"))
    assert answer.choices[0].message.content == "All lines are fast."
    assert time.monotonic() - began >= 0.9, "Retry-After was not waited for"


def embeddings(sdk: openai.OpenAI) -> None:
    # The SDK asks for base64 by itself and decodes it.
    answer = sdk.embeddings.create(model=os.environ["EMBEDDING_MODEL"], input=["a", "b"])
    assert [entry.embedding for entry in answer.data] == [[0.25, -1.0], [0.5, 2.0]], answer
    assert answer.usage.prompt_tokens == 2


def main() -> None:
    sdk = client()
    checks = [chat, stream, stream_without_usage, stream_helper, tools, streamed_tools, structured, models, refused_key]
    checks += [unknown_model, bad_request, rate_limited, retried]
    if "EMBEDDING_MODEL" in os.environ:
        checks.append(embeddings)
    for check in checks:
        check(sdk)
        print("ok", check.__name__, flush=True)


main()
