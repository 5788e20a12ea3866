use serde_json::{Value, json};

use super::*;

fn asked(wire: Wire, body: &Value, model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    request(wire, body.to_string().as_bytes(), model)
}

fn body(outgoing: &Outgoing) -> Value {
    serde_json::from_slice(&outgoing.body).unwrap()
}

#[test]
fn cohere_is_asked_with_texts_and_answers_as_it_is() {
    let ask = json!({"model": "r", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "max_tokens_per_doc": 9});
    let (outgoing, reply) = asked(Wire::CohereChat, &ask, "rerank-v3.5").unwrap();
    assert_eq!(outgoing.path, "/v2/rerank");
    assert_eq!(
        body(&outgoing),
        json!({"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"], "top_n": 1, "max_tokens_per_doc": 9})
    );
    let said = br#"{"id":"x","results":[{"index":1,"relevance_score":0.9990000}],"meta":{"billed_units":{"search_units":1}}}"#;
    assert_eq!(
        String::from_utf8(answer(&reply, said, "r").unwrap()).unwrap(),
        r#"{"id":"x","model":"r","results":[{"index":1,"relevance_score":0.9990000}],"meta":{"billed_units":{"search_units":1}}}"#
    );
}

#[test]
fn documents_come_back_when_they_are_asked_for() {
    let ask = json!({"query": "q", "documents": ["a", "b"], "return_documents": true});
    let (outgoing, reply) = asked(Wire::BedrockConverse, &ask, "cohere.rerank-v3-5:0").unwrap();
    assert_eq!(outgoing.path, "/model/cohere.rerank-v3-5%3A0/invoke");
    assert_eq!(body(&outgoing), json!({"query": "q", "documents": ["a", "b"], "api_version": 2}));
    let said = br#"{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}]}"#;
    let written: Value = serde_json::from_slice(&answer(&reply, said, "r").unwrap()).unwrap();
    assert_eq!(written["results"][0]["document"]["text"], "b");
    let stray = answer(&reply, br#"{"results":[{"index":2,"relevance_score":0.9}]}"#, "r");
    assert!(matches!(stray, Err(Unreadable::Protocol(_))));

    let (outgoing, _) = asked(Wire::BedrockConverse, &ask, "amazon.rerank-v1:0").unwrap();
    assert_eq!(body(&outgoing), json!({"query": "q", "documents": ["a", "b"]}));
}

#[test]
fn what_cannot_be_reranked_is_refused() {
    let ask = json!({"query": "q", "documents": ["a"]});
    for wire in [Wire::Gemini, Wire::AnthropicMessages, Wire::OpenAiChat] {
        assert!(matches!(asked(wire, &ask, "m"), Err(Untranslatable::Unsupported { field: "model", .. })));
    }
    let limited = json!({"query": "q", "documents": ["a"], "max_tokens_per_doc": 9});
    assert!(matches!(
        asked(Wire::BedrockConverse, &limited, "cohere.rerank-v3-5:0"),
        Err(Untranslatable::Unsupported { field: "max_tokens_per_doc", .. })
    ));
    for ask in [json!({"documents": ["a"]}), json!({"query": "q", "documents": [{"title": "t"}]})] {
        assert!(matches!(asked(Wire::CohereChat, &ask, "m"), Err(Untranslatable::Invalid(_))), "{ask}");
    }
}
