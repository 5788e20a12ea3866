use proptest::prelude::*;

use super::*;

const WIRES: [Wire; 5] =
    [Wire::OpenAiChat, Wire::AnthropicMessages, Wire::BedrockConverse, Wire::Gemini, Wire::CohereChat];

#[test]
fn a_conversation_that_is_too_long_is_told_from_every_other_fault_of_the_caller() {
    let too_long = [
        (
            Wire::OpenAiChat,
            400,
            r#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        ),
        (
            Wire::OpenAiChat,
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","param":null,"code":400}"#,
        ),
        (
            Wire::OpenAiChat,
            400,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_ctx":4096}}"#,
        ),
        (
            Wire::AnthropicMessages,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"},"request_id":"req_1"}"#,
        ),
        (
            Wire::AnthropicMessages,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000"}}"#,
        ),
        (Wire::BedrockConverse, 400, r#"{"message":"Input is too long for requested model."}"#),
        (
            Wire::BedrockConverse,
            400,
            r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum"}"#,
        ),
        (
            Wire::BedrockConverse,
            400,
            r#"{"message":"400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9001"}"#,
        ),
        (
            Wire::Gemini,
            400,
            r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
        ),
        (
            Wire::Gemini,
            400,
            r#"[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]"#,
        ),
        (
            Wire::CohereChat,
            400,
            r#"{"id":"x","message":"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000."}"#,
        ),
    ];
    for (wire, status, body) in too_long {
        assert!(is_context_length(wire, status, body.as_bytes()), "{wire:?} {body}");
        // Throttling speaks of tokens, too.
        assert!(!is_context_length(wire, 429, body.as_bytes()), "{wire:?} 429 {body}");
    }
    let others = [
        r#"{"error":{"message":"Unsupported value: 'temperature'","type":"invalid_request_error","code":"unsupported_value"}}"#,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}}"#,
        r#"{"message":"The provided model identifier is invalid."}"#,
        r#"{"error":{"code":400,"message":"Unknown name \"x\"","status":"INVALID_ARGUMENT"}}"#,
        "",
        "<html>Bad Request</html>",
        "null",
        "[]",
    ];
    for wire in WIRES {
        for body in others {
            assert!(!is_context_length(wire, 400, body.as_bytes()), "{wire:?} {body}");
        }
    }
}

#[test]
fn the_body_says_what_the_status_does_not() {
    for (wire, status, body, expected) in [
        (
            Wire::OpenAiChat,
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Class::Exhausted,
        ),
        (
            Wire::OpenAiChat,
            429,
            r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Class::RateLimited,
        ),
        (
            Wire::AnthropicMessages,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
            Class::Exhausted,
        ),
        (
            Wire::AnthropicMessages,
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            Class::Overloaded,
        ),
        (
            Wire::Gemini,
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#,
            Class::Credential,
        ),
        (
            Wire::Gemini,
            503,
            r#"[{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}]"#,
            Class::Overloaded,
        ),
        (
            Wire::BedrockConverse,
            400,
            r#"{"__type":"ServiceQuotaExceededException","message":"Your request exceeds the service quota"}"#,
            Class::Exhausted,
        ),
        (
            Wire::BedrockConverse,
            403,
            r#"{"message":"The security token included in the request is expired"}"#,
            Class::Credential,
        ),
        (Wire::CohereChat, 429, r#"{"message":"You are using a Trial key"}"#, Class::RateLimited),
        (Wire::CohereChat, 401, r#"{"message":"invalid api token"}"#, Class::Credential),
        (Wire::CohereChat, 500, "oops", Class::Other),
        (Wire::OpenAiChat, 503, "", Class::Overloaded),
    ] {
        assert_eq!(classify(wire, status, body.as_bytes()), expected, "{wire:?} {status} {body}");
    }
}

#[test]
fn a_class_that_a_header_names_counts_when_the_body_names_none() {
    let wire = Wire::BedrockConverse;
    let named = Some("ServiceQuotaExceededException:http://internal.amazon.com/coral/com.amazon.bedrock/");
    assert_eq!(classify_named(wire, 400, named, br#"{"message":"no"}"#), Class::Exhausted);
    assert_eq!(classify_named(wire, 400, named, br#"{"__type":"ThrottlingException"}"#), Class::RateLimited);
    assert_eq!(classify_named(wire, 400, None, br#"{"message":"no"}"#), Class::Other);
}

#[test]
fn a_fault_inside_a_stream_is_classed_by_its_kind() {
    for (wire, kind, message, expected) in [
        (Wire::AnthropicMessages, "overloaded_error", "Overloaded", Class::Overloaded),
        (Wire::BedrockConverse, "throttlingException", "Too many requests", Class::RateLimited),
        (Wire::BedrockConverse, "serviceUnavailableException", "", Class::Overloaded),
        (Wire::BedrockConverse, "modelStreamErrorException", "", Class::Other),
        (Wire::BedrockConverse, "validationException", "Input is too long", Class::ContextLength),
        (Wire::Gemini, "UNAVAILABLE", "The model is overloaded.", Class::Overloaded),
        (Wire::OpenAiChat, "context_length_exceeded", "", Class::ContextLength),
    ] {
        let fault = StreamFault { kind: kind.to_owned(), message: message.to_owned() };
        assert_eq!(classify_stream(wire, &fault), expected, "{wire:?} {kind}");
    }
}

#[test]
fn the_words_of_a_refusal_are_kept() {
    let fault = |kind: &str, message: &str, code: Option<&str>| Fault {
        kind: kind.to_owned(),
        message: message.to_owned(),
        code: code.map(str::to_owned),
    };
    for (wire, body, expected) in [
        (Wire::OpenAiChat, r#"{"error":"down"}"#, fault("", "down", None)),
        (Wire::OpenAiChat, r#"{"error":{"message":"no","type":"t","code":null}}"#, fault("t", "no", None)),
        (
            Wire::OpenAiChat,
            r#"{"error":{"message":{"a":1},"type":"t","code":7}}"#,
            fault("t", r#"{"a":1}"#, Some("7")),
        ),
        (
            Wire::BedrockConverse,
            r#"{"__type":"com.amazon.coral.service#ThrottlingException:http://x","Message":"slow down"}"#,
            fault("ThrottlingException", "slow down", None),
        ),
        (Wire::CohereChat, r#"{"id":"1","message":"no such model"}"#, fault("", "no such model", None)),
        (Wire::Gemini, "[]", Fault::default()),
        (Wire::Gemini, r#"{"error":{"code":404}}"#, Fault::default()),
    ] {
        assert_eq!(read(wire, body.as_bytes()), expected, "{body}");
    }
    let long = format!(r#"{{"message":"{}"}}"#, "a".repeat(BODY_BYTES_MAX));
    assert_eq!(read(Wire::CohereChat, long.as_bytes()), Fault::default());
}

proptest! {
    #[test]
    fn no_body_is_too_strange(body in "[\\[\\]{}\":,a-z0-9]{0,60}|.{0,60}", status in 200u16..600) {
        for wire in WIRES {
            let class = classify(wire, status, body.as_bytes());
            prop_assert!(status != 429 || class != Class::ContextLength);
        }
    }
}
