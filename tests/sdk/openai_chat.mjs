// The official OpenAI SDK for Node, as its users write it, against whatever BASE_URL is.
//
// Prints `ok NAME` for each thing that works, and ends with an error at the first that does not.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { BASE_URL, KEY, MODEL, EMBEDDING_MODEL } = process.env;
const client = (options = {}) => new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: KEY, timeout: 60_000, ...options });
const user = (text) => [
  { role: "system", content: "You are a harbour master." },
  { role: "user", content: text },
];
const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather in a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};
const words = ["All ", "lines ", "are ", "fast."];

const checkCalls = (calls) => {
  assert.deepEqual(
    calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
    [["weather", { city: "Bern" }], ["weather", { city: "Basel" }]],
  );
  assert.notEqual(calls[0].id, calls[1].id);
};

const checks = {
  async chat(sdk) {
    const answer = await sdk.chat.completions.create({ model: MODEL, messages: user("say"), max_tokens: 64 });
    assert.equal(answer.choices[0].message.content, words.join(""));
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [17, 4]);
  },
  async stream(sdk) {
    const asked = { model: MODEL, messages: user("say"), stream: true, stream_options: { include_usage: true } };
    const events = [];
    for await (const event of await sdk.chat.completions.create(asked)) events.push(event);
    const deltas = events.flatMap((event) => event.choices.map((choice) => choice.delta.content).filter(Boolean));
    assert.deepEqual(deltas, words);
    assert.equal(events.at(-1).usage.completion_tokens, 4);
  },
  async streamAborted(sdk) {
    const events = await sdk.chat.completions.create({ model: MODEL, messages: user("say"), stream: true });
    for await (const event of events) if (event.choices[0]?.delta.content) break;
    assert.ok(events.controller.signal.aborted);
  },
  async tools(sdk) {
    const messages = user("use tools");
    const first = await sdk.chat.completions.create({ model: MODEL, messages, tools: [weather] });
    assert.equal(first.choices[0].finish_reason, "tool_calls");
    const calls = first.choices[0].message.tool_calls;
    checkCalls(calls);
    messages.push(first.choices[0].message);
    calls.forEach((call, at) => messages.push({ role: "tool", tool_call_id: call.id, content: ["4", "6"][at] }));
    const second = await sdk.chat.completions.create({ model: MODEL, messages, tools: [weather] });
    assert.equal(second.choices[0].message.content, "Results: 4, 6.");
  },
  async streamedTools(sdk) {
    const stream = sdk.chat.completions.stream({ model: MODEL, messages: user("use tools"), tools: [weather] });
    const fragments = [];
    stream.on("tool_calls.function.arguments.delta", (event) => fragments.push(event.arguments_delta));
    const final = await stream.finalChatCompletion();
    assert.ok(fragments.length > 2);
    checkCalls(final.choices[0].message.tool_calls);
  },
  async structured(sdk) {
    const boat = zodResponseFormat(z.object({ name: z.string(), berths: z.number() }), "boat");
    const asked = { model: MODEL, messages: user("structured"), response_format: boat };
    const answer = await sdk.chat.completions.parse(asked);
    assert.deepEqual(answer.choices[0].message.parsed, { name: "Alma", berths: 4 });
  },
  async refusedKey() {
    const asked = { model: MODEL, messages: user("say") };
    await assert.rejects(client({ apiKey: "sk-wrong" }).chat.completions.create(asked), OpenAI.AuthenticationError);
  },
  async unknownModel(sdk) {
    const asked = { model: "no-such-model", messages: user("say") };
    await assert.rejects(sdk.chat.completions.create(asked), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "model_not_found");
      return true;
    });
  },
  async badRequest(sdk) {
    await assert.rejects(sdk.chat.completions.create({ model: MODEL, messages: user("refuse") }), OpenAI.BadRequestError);
  },
  async rateLimited(sdk) {
    const asked = { model: MODEL, messages: user("limit always") };
    await assert.rejects(sdk.chat.completions.create(asked, { maxRetries: 0 }), OpenAI.RateLimitError);
  },
  async retried(sdk) {
    const asked = { model: MODEL, messages: user("limit once") };
    const answer = await sdk.chat.completions.create(asked, { maxRetries: 4 });
    assert.equal(answer.choices[0].message.content, words.join(""));
  },
  async embeddings(sdk) {
    if (!EMBEDDING_MODEL) return;
    const answer = await sdk.embeddings.create({ model: EMBEDDING_MODEL, input: ["a", "b"] });
    assert.deepEqual(answer.data.map((entry) => entry.embedding), [[0.25, -1], [0.5, 2]]);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check(client());
  console.log("ok", name);
}
