// The official Anthropic SDK for Node, as its users write it, against whatever BASE_URL is.
//
// Prints `ok NAME` for each thing that works, and ends with an error at the first that does not.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const { BASE_URL, KEY, MODEL } = process.env;
const client = (options = {}) => new Anthropic({ baseURL: BASE_URL, apiKey: KEY, timeout: 60_000, ...options });
const ask = (text, more = {}) => ({
  model: MODEL,
  max_tokens: 64,
  system: "You are a harbour master.",
  messages: [{ role: "user", content: text }],
  ...more,
});
const weather = {
  name: "weather",
  description: "The weather in a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const boat = {
  type: "object",
  properties: { name: { type: "string" }, berths: { type: "integer" } },
  required: ["name", "berths"],
  additionalProperties: false,
};
const words = ["All ", "lines ", "are ", "fast."];

const checkCalls = (content) => {
  const calls = content.filter((block) => block.type === "tool_use");
  assert.deepEqual(
    calls.map((call) => [call.name, call.input]),
    [["weather", { city: "Bern" }], ["weather", { city: "Basel" }]],
  );
  assert.notEqual(calls[0].id, calls[1].id);
  return calls;
};
const refusal = (kind, type) => (error) => {
  assert.ok(error instanceof kind, `${error}`);
  assert.equal(error.error.error.type, type);
  return true;
};

const checks = {
  async chat(sdk) {
    const answer = await sdk.messages.create(ask("say"));
    assert.deepEqual(answer.content.map((block) => block.text), [words.join("")]);
    assert.equal(answer.stop_reason, "end_turn");
    assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [17, 4]);
  },
  async stream(sdk) {
    const deltas = [];
    for await (const event of await sdk.messages.create(ask("say", { stream: true }))) {
      if (event.type === "content_block_delta") deltas.push(event.delta.text);
    }
    assert.deepEqual(deltas, words);
  },
  async streamHelper(sdk) {
    const message = await sdk.messages.stream(ask("say")).finalMessage();
    assert.equal(message.content[0].text, words.join(""));
    assert.equal(message.usage.output_tokens, 4);
  },
  async tools(sdk) {
    const asked = ask("use tools", { tools: [weather] });
    const first = await sdk.messages.create(asked);
    assert.equal(first.stop_reason, "tool_use");
    const calls = checkCalls(first.content);
    asked.messages.push({ role: "assistant", content: first.content });
    const result = (call, at) => ({ type: "tool_result", tool_use_id: call.id, content: ["4", "6"][at] });
    asked.messages.push({ role: "user", content: calls.map(result) });
    const second = await sdk.messages.create(asked);
    assert.equal(second.content[0].text, "Results: 4, 6.");
  },
  async streamedTools(sdk) {
    const fragments = [];
    const stream = sdk.messages.stream(ask("use tools", { tools: [weather] }));
    stream.on("inputJson", (fragment) => fragments.push(fragment));
    const message = await stream.finalMessage();
    assert.ok(fragments.length > 2);
    checkCalls(message.content);
  },
  async structured(sdk) {
    const asked = ask("structured", { output_config: { format: { type: "json_schema", schema: boat } } });
    const answer = await sdk.messages.create(asked);
    assert.deepEqual(JSON.parse(answer.content[0].text), { name: "Alma", berths: 4 });
  },
  async refusedKey() {
    const asking = client({ apiKey: "sk-wrong" }).messages.create(ask("say"));
    await assert.rejects(asking, refusal(Anthropic.AuthenticationError, "authentication_error"));
  },
  async unknownModel(sdk) {
    const asking = sdk.messages.create(ask("say", { model: "no-such-model" }));
    await assert.rejects(asking, refusal(Anthropic.NotFoundError, "not_found_error"));
  },
  async badRequest(sdk) {
    const asking = sdk.messages.create(ask("refuse"));
    await assert.rejects(asking, refusal(Anthropic.BadRequestError, "invalid_request_error"));
  },
  async rateLimited(sdk) {
    const asking = sdk.messages.create(ask("limit always"), { maxRetries: 0 });
    await assert.rejects(asking, refusal(Anthropic.RateLimitError, "rate_limit_error"));
  },
  async retried(sdk) {
    const answer = await sdk.messages.create(ask("limit once"), { maxRetries: 4 });
    assert.equal(answer.content[0].text, words.join(""));
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check(client());
  console.log("ok", name);
}
