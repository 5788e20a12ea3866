//! Refusals, of ours and of providers.

use super::*;

fn refused(caller: Caller, wire: Wire, status: u16, body: &str) -> String {
    String::from_utf8(error(&context(caller, wire), status, body.as_bytes())).unwrap()
}

#[test]
fn a_provider_s_refusal_comes_in_the_caller_s_dialect() {
    let openai = r#"{"error":{"message":"Unknown model","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#;
    let anthropic = r#"{"type":"error","error":{"type":"not_found_error","message":"Unknown model"},"request_id":"0198f2"}"#;
    let theirs = r#"{"type":"error","error":{"type":"not_found_error","message":"Unknown model"},"request_id":"req_1"}"#;
    let plain =
        r#"{"error":{"message":"Unknown model","type":"invalid_request_error","param":null,"code":null}}"#;
    for (caller, wire, body, expected) in [
        (Caller::AnthropicMessages, Wire::OpenAiChat, openai, anthropic),
        (Caller::OpenAiResponses, Wire::OpenAiChat, openai, openai),
        (Caller::OpenAiChat, Wire::AnthropicMessages, theirs, plain),
        (Caller::OpenAiResponses, Wire::AnthropicMessages, theirs, plain),
        (Caller::OpenAiChat, Wire::CohereChat, r#"{"message":"Unknown model"}"#, plain),
    ] {
        assert_eq!(refused(caller, wire, 404, body), expected, "{caller:?} {wire:?}");
    }
}

#[test]
fn what_clients_act_on_has_its_code() {
    let too_long =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}"#;
    assert!(
        refused(Caller::OpenAiChat, Wire::AnthropicMessages, 400, too_long)
            .contains(r#""code":"context_length_exceeded""#)
    );
    let busy = r#"{"error":{"code":429,"message":"busy","status":"RESOURCE_EXHAUSTED"}}"#;
    assert_eq!(
        refused(Caller::OpenAiChat, Wire::Gemini, 429, busy),
        r#"{"error":{"message":"busy","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}"#
    );
    assert!(
        refused(Caller::AnthropicMessages, Wire::Gemini, 429, busy).contains(r#""type":"rate_limit_error""#)
    );
}

#[test]
fn a_refusal_without_words_is_still_one() {
    for body in ["", "<html>", "[]", "null", r#"{"error":null}"#] {
        for caller in CALLERS {
            let said = refused(caller, Wire::OpenAiChat, 502, body);
            assert!(said.contains("gave no reason"), "{said}");
        }
    }
}

fn why(caller: Caller, body: &str) -> String {
    request(caller, Wire::AnthropicMessages, body.as_bytes(), "claude-sonnet-4-5", "m", "1", 0)
        .map(|outgoing| String::from_utf8(outgoing.body).unwrap())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_cannot_be_said_is_refused_by_its_name() {
    let chat = |field: &str| format!(r#"{{"messages":[{{"role":"user","content":"x"}}],{field}}}"#);
    for (field, name) in [
        (r#""n":2"#, "`n`"),
        (r#""logprobs":true"#, "`logprobs`"),
        (r#""logit_bias":{"7":1}"#, "`logit_bias`"),
        (r#""modalities":["text","audio"]"#, "`modalities`"),
        (r#""web_search_options":{}"#, "`web_search_options`"),
        (r#""functions":[]"#, "`functions`"),
        (r#""tools":[{"type":"custom","custom":{"name":"x"}}]"#, "`tools[].type`"),
        (r#""tool_choice":{"type":"allowed_tools"}"#, "`tool_choice`"),
        (r#""response_format":{"type":"grammar"}"#, "`response_format`"),
        (r#""tempperature":1"#, "unknown field `tempperature`"),
        (r#""temperature":"hot""#, "invalid type"),
    ] {
        assert!(why(Caller::OpenAiChat, &chat(field)).contains(name), "{field}");
    }
    for (body, name) in [
        (r#"{"input":"x","previous_response_id":"resp_1"}"#, "no conversations are kept"),
        (r#"{"input":"x","conversation":"c"}"#, "`conversation`"),
        (r#"{"input":"x","background":true}"#, "`background`"),
        (r#"{"input":[{"type":"item_reference","id":"x"}]}"#, "`input[].item_reference`"),
        (r#"{"input":[{"type":"web_search_call","id":"x"}]}"#, "`input[].type`"),
        (r#"{"input":"x","tools":[{"type":"web_search"}]}"#, "`tools[].type`"),
        (r#"{"model":"m"}"#, "`input` is missing"),
    ] {
        assert!(why(Caller::OpenAiResponses, body).contains(name), "{body}");
    }
    for (field, name) in [
        (r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#, "`tools[].type`"),
        (r#""mcp_servers":[{"url":"x"}]"#, "`mcp_servers`"),
        (r#""container":"x""#, "`container`"),
        (
            r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"text"}}]}]"#,
            "document",
        ),
    ] {
        let messages = if field.contains("messages") { "" } else { r#""messages":[],"# };
        let body = format!(r#"{{"max_tokens":9,{messages}{field}}}"#);
        let found = request(Caller::AnthropicMessages, Wire::OpenAiChat, body.as_bytes(), "m", "m", "1", 0);
        assert!(found.unwrap_err().to_string().contains(name), "{field}");
    }
    let new =
        br#"{"betas":[{"x":1}],"max_tokens":9,"messages":[],"context_management":{"edits":[]},"x\u0041":1}"#;
    let found = request(Caller::AnthropicMessages, Wire::OpenAiChat, new, "m", "m", "1", 0).unwrap();
    assert_eq!(found.dropped, ["context_management", "unknown fields"]);
    let twice = br#"{"max_tokens":9,"max_tokens":9,"messages":[]}"#;
    let found = request(Caller::AnthropicMessages, Wire::OpenAiChat, twice, "m", "m", "1", 0);
    assert!(found.unwrap_err().to_string().contains("duplicate field"));
    let found = request(Caller::AnthropicMessages, Wire::OpenAiChat, br#"{"messages":[]}"#, "m", "m", "1", 0);
    assert!(found.unwrap_err().to_string().contains("max_tokens"));
}

#[test]
fn what_depends_on_the_model_follows_its_name() {
    let chat = |model: &str, fields: &str| {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"x"}}],{fields}}}"#);
        request(Caller::OpenAiChat, Wire::AnthropicMessages, body.as_bytes(), model, "m", "1", 0).unwrap()
    };
    let text = |outgoing: &Outgoing| String::from_utf8(outgoing.body.clone()).unwrap();
    let modern = chat("claude-opus-4-7", r#""temperature":0.2,"top_p":0.5,"reasoning_effort":"xhigh""#);
    assert_eq!(modern.dropped, ["temperature", "top_p"]);
    assert!(text(&modern).contains(r#""thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}"#));
    let budget = chat("claude-sonnet-4-5", r#""temperature":0.2,"reasoning_effort":"low","max_tokens":1000"#);
    assert_eq!(budget.dropped, ["temperature"]);
    assert!(text(&budget).contains(r#""max_tokens":3048"#), "{}", text(&budget));
    assert!(text(&budget).contains(r#""thinking":{"type":"enabled","budget_tokens":2048}"#));
    let only_system = request(
        Caller::OpenAiChat,
        Wire::AnthropicMessages,
        br#"{"messages":[{"role":"system","content":"x"}]}"#,
        "claude-opus-4-7",
        "m",
        "1",
        0,
    );
    assert!(
        text(&only_system.unwrap())
            .contains(r#""messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]"#)
    );

    let messages = |model: &str| {
        let body = br#"{"max_tokens":9,"messages":[],"thinking":{"type":"enabled","budget_tokens":1024}}"#;
        request(Caller::AnthropicMessages, Wire::OpenAiChat, body, model, "m", "1", 0).unwrap()
    };
    assert!(text(&messages("gpt-5")).contains(r#""max_completion_tokens":9,"reasoning_effort":"low""#));
    assert!(text(&messages("llama-4")).contains(r#""max_tokens":9"#));
    assert_eq!(messages("gpt-4o").dropped, ["reasoning"]);
}
