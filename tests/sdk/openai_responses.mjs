// Responses of the official OpenAI SDK for Node, as its users write it, against whatever BASE_URL is.
//
// Prints `ok NAME` for each thing that works, and ends with an error at the first that does not.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const { BASE_URL, KEY, MODEL } = process.env;
const client = (options = {}) => new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: KEY, timeout: 60_000, ...options });
const user = (text) => [{ role: "user", content: text }];
const weather = {
  type: "function",
  name: "weather",
  description: "The weather in a city",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};
const words = ["All ", "lines ", "are ", "fast."];
const store = false;

const checkCalls = (items) => {
  const calls = items.filter((item) => item.type === "function_call");
  assert.deepEqual(
    calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    [["weather", { city: "Bern" }], ["weather", { city: "Basel" }]],
  );
  assert.notEqual(calls[0].call_id, calls[1].call_id);
  return calls;
};

const checks = {
  async create(sdk) {
    const instructions = "You are a harbour master.";
    const answer = await sdk.responses.create({ model: MODEL, input: "say", instructions, max_output_tokens: 64, store });
    assert.equal(answer.output_text, words.join(""));
    assert.deepEqual([answer.status, answer.error], ["completed", null]);
    assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [17, 4]);
  },
  async stream(sdk) {
    const events = [];
    const stream = await sdk.responses.create({ model: MODEL, input: user("say"), stream: true, store });
    for await (const event of stream) events.push(event);
    const deltas = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
    assert.deepEqual(deltas, words);
    assert.deepEqual([events[0].type, events.at(-1).type], ["response.created", "response.completed"]);
    assert.equal(events.at(-1).response.usage.output_tokens, 4);
  },
  async streamAborted(sdk) {
    const events = await sdk.responses.create({ model: MODEL, input: "say", stream: true, store });
    for await (const event of events) if (event.type === "response.output_text.delta") break;
    assert.ok(events.controller.signal.aborted);
  },
  async tools(sdk) {
    const input = user("use tools");
    const first = await sdk.responses.create({ model: MODEL, input, tools: [weather], store });
    const calls = checkCalls(first.output);
    input.push(...first.output);
    calls.forEach((call, at) => {
      input.push({ type: "function_call_output", call_id: call.call_id, output: ["4", "6"][at] });
    });
    const second = await sdk.responses.create({ model: MODEL, input, tools: [weather], store });
    assert.equal(second.output_text, "Results: 4, 6.");
  },
  async streamedTools(sdk) {
    const stream = sdk.responses.stream({ model: MODEL, input: user("use tools"), tools: [weather], store });
    const fragments = [];
    stream.on("response.function_call_arguments.delta", (event) => fragments.push(event.delta));
    const final = await stream.finalResponse();
    assert.ok(fragments.length > 2);
    checkCalls(final.output);
  },
  async structured(sdk) {
    const format = zodTextFormat(z.object({ name: z.string(), berths: z.number() }), "boat");
    const answer = await sdk.responses.parse({ model: MODEL, input: user("structured"), text: { format }, store });
    assert.deepEqual(answer.output_parsed, { name: "Alma", berths: 4 });
  },
  async refusedKey() {
    const refused = client({ apiKey: "sk-wrong" }).responses.create({ model: MODEL, input: "say" });
    await assert.rejects(refused, OpenAI.AuthenticationError);
  },
  async unknownModel(sdk) {
    await assert.rejects(sdk.responses.create({ model: "no-such-model", input: "say" }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "model_not_found");
      return true;
    });
  },
  async badRequest(sdk) {
    await assert.rejects(sdk.responses.create({ model: MODEL, input: "refuse", store }), OpenAI.BadRequestError);
  },
  async retried(sdk) {
    const asked = { model: MODEL, input: "limit once", store };
    const answer = await sdk.responses.create(asked, { maxRetries: 4 });
    assert.equal(answer.output_text, words.join(""));
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check(client());
  console.log("ok", name);
}
