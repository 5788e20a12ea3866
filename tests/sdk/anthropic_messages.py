"""The official Anthropic SDK for Python, as its users write it, against whatever BASE_URL is.

Prints `ok NAME` for each thing that works, and ends with a traceback at the first that does not.
"""

import json
import os
import time

import anthropic

MODEL = os.environ["MODEL"]
WEATHER = {
    "name": "weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
BOAT = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "berths": {"type": "integer"}},
    "required": ["name", "berths"],
    "additionalProperties": False,
}


def client(**options) -> anthropic.Anthropic:
    settings = {"base_url": os.environ["BASE_URL"], "api_key": os.environ["KEY"], "timeout": 60}
    return anthropic.Anthropic(**{**settings, **options})


def ask(text: str, **more) -> dict:
    asked = {"model": MODEL, "max_tokens": 64, "system": "You are a harbour master."}
    return {**asked, "messages": [{"role": "user", "content": text}], **more}


def chat(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.create(**ask("say", stop_sequences=["END"], metadata={"user_id": "u-1"}))
    assert [block.text for block in answer.content] == ["All lines are fast."], answer
    assert (answer.role, answer.stop_reason, answer.type) == ("assistant", "end_turn", "message"), answer
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (17, 4), answer.usage


def stream(sdk: anthropic.Anthropic) -> None:
    events = list(sdk.messages.create(**ask("say", stream=True)))
    kinds = [event.type for event in events if event.type != "ping"]
    begin, end = ["message_start", "content_block_start"], ["content_block_stop", "message_delta", "message_stop"]
    assert kinds == begin + ["content_block_delta"] * 4 + end, kinds
    deltas = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert deltas == ["All ", "lines ", "are ", "fast."], deltas
    stop = next(event for event in events if event.type == "message_delta")
    assert (stop.delta.stop_reason, stop.usage.output_tokens) == ("end_turn", 4), stop


def stream_helper(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.stream(**ask("say")) as events:
        assert list(events.text_stream) == ["All ", "lines ", "are ", "fast."]
        message = events.get_final_message()
    assert message.content[0].text == "All lines are fast." and message.usage.output_tokens == 4, message


def check_calls(blocks) -> None:
    calls = [block for block in blocks if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [
        ("weather", {"city": "Bern"}),
        ("weather", {"city": "Basel"}),
    ], calls
    assert len({call.id for call in calls}) == 2, "calls need ids of their own"


def tools(sdk: anthropic.Anthropic) -> None:
    asked = ask("use tools", tools=[WEATHER])
    answer = sdk.messages.create(**asked)
    assert answer.stop_reason == "tool_use", answer
    check_calls(answer.content)
    asked["messages"].append({"role": "assistant", "content": answer.content})
    calls = [block for block in answer.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": degrees} for call, degrees in zip(calls, ["4", "6"])
    ]
    asked["messages"].append({"role": "user", "content": results})
    answer = sdk.messages.create(**asked)
    assert answer.content[0].text == "Results: 4, 6.", answer


def streamed_tools(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.stream(**ask("use tools", tools=[WEATHER])) as events:
        fragments = [event for event in events if event.type == "input_json"]
        assert len(fragments) > 2, "arguments come in fragments"
        message = events.get_final_message()
    assert message.stop_reason == "tool_use"
    check_calls(message.content)


def structured(sdk: anthropic.Anthropic) -> None:
    config = {"format": {"type": "json_schema", "schema": BOAT}}
    answer = sdk.messages.create(**ask("structured", output_config=config))
    assert json.loads(answer.content[0].text) == {"name": "Alma", "berths": 4}, answer


def refused_key(_: anthropic.Anthropic) -> None:
    try:
        client(api_key="sk-wrong").messages.create(**ask("say"))
        raise AssertionError("a wrong key was accepted")
    except anthropic.AuthenticationError as error:
        assert error.body["error"]["type"] == "authentication_error", error.body


def unknown_model(sdk: anthropic.Anthropic) -> None:
    try:
        sdk.messages.create(**{**ask("say"), "model": "no-such-model"})
        raise AssertionError("an unknown model was accepted")
    except anthropic.NotFoundError as error:
        assert error.body["error"]["type"] == "not_found_error", error.body


def bad_request(sdk: anthropic.Anthropic) -> None:
    try:
        sdk.messages.create(**ask("refuse"))
        raise AssertionError("it was accepted")
    except anthropic.BadRequestError as error:
        assert error.body["error"]["type"] == "invalid_request_error", error.body
        assert "too long" in error.body["error"]["message"], error.body


def rate_limited(sdk: anthropic.Anthropic) -> None:
    try:
        sdk.with_options(max_retries=0).messages.create(**ask("limit always"))
        raise AssertionError("it was accepted")
    except anthropic.RateLimitError as error:
        assert error.body["error"]["type"] == "rate_limit_error", error.body
        assert error.response.headers["retry-after"], error.response.headers


def retried(sdk: anthropic.Anthropic) -> None:
    began = time.monotonic()
    answer = sdk.with_options(max_retries=4).messages.create(**ask("limit once"))
    assert answer.content[0].text == "All lines are fast."
    assert time.monotonic() - began >= 0.9, "Retry-After was not waited for"


def main() -> None:
    sdk = client()
    checks = [chat, stream, stream_helper, tools, streamed_tools, structured, refused_key, unknown_model, bad_request]
    for check in [*checks, rate_limited, retried]:
        check(sdk)
        print("ok", check.__name__, flush=True)


main()
