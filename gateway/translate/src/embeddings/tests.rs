use base64::Engine as _;
use serde_json::{Value, json};

use super::*;
use crate::chat::{Unreadable, Untranslatable};
use crate::{Outgoing, Tokens, Wire};

fn asked(wire: Wire, body: &Value, model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    request(wire, body.to_string().as_bytes(), model)
}

fn body(outgoing: &Outgoing) -> Value {
    serde_json::from_slice(&outgoing.body).unwrap()
}

#[test]
fn gemini_embeds_a_list_in_one_batch() {
    let (outgoing, reply) = asked(
        Wire::Gemini,
        &json!({"model": "e", "input": ["one", "two"], "dimensions": 768, "input_type": "search_query", "user": "u"}),
        "gemini-embedding-001",
    )
    .unwrap();
    assert_eq!(outgoing.path, "/models/gemini-embedding-001:batchEmbedContents");
    assert_eq!(outgoing.dropped, ["user"]);
    let one = |text: &str| {
        json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]},
            "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 768})
    };
    assert_eq!(body(&outgoing), json!({"requests": [one("one"), one("two")]}));

    let answered =
        answer(&reply, br#"{"embeddings":[{"values":[0.10000000149,-1e-3]},{"values":[1,2]}]}"#, "e", None)
            .unwrap();
    assert_eq!(
        String::from_utf8(answered.body).unwrap(),
        concat!(
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10000000149,-1e-3]},"#,
            r#"{"object":"embedding","index":1,"embedding":[1,2]}],"#,
            r#""model":"e","usage":{"prompt_tokens":0,"total_tokens":0}}"#
        ),
        "numbers stay as they were written"
    );
    assert_eq!(answered.tokens, None, "nothing is known, which is not nothing used");
}

#[test]
fn cohere_is_told_what_a_text_is_for() {
    let (outgoing, reply) =
        asked(Wire::CohereChat, &json!({"model": "e", "input": "one"}), "embed-v4.0").unwrap();
    assert_eq!(outgoing.path, "/v2/embed");
    assert_eq!(
        body(&outgoing),
        json!({"model": "embed-v4.0", "texts": ["one"], "input_type": "search_document", "embedding_types": ["float"]})
    );
    let said = br#"{"id":"x","embeddings":{"float":[[0.5,0.25]]},"texts":["one"],"meta":{"billed_units":{"input_tokens":2.0}}}"#;
    let answered = answer(&reply, said, "e", None).unwrap();
    assert_eq!(answered.tokens, Some(Tokens { input: 2, cached_input: 0, output: 0 }));
}

#[test]
fn base64_is_little_endian_floats() {
    let ask = json!({"model": "e", "input": ["one"], "encoding_format": "base64"});
    let (_, reply) = asked(Wire::CohereChat, &ask, "embed-v4.0").unwrap();
    let answered = answer(&reply, br#"{"embeddings":{"float":[[1.0,-2.5,0.1]]}}"#, "e", Some(7)).unwrap();
    let said: Value = serde_json::from_slice(&answered.body).unwrap();
    let text = said["data"][0]["embedding"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let floats: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(floats, [1.0, -2.5, 0.1]);
    assert_eq!(said["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
    assert_eq!(answered.tokens.map(|tokens| tokens.input), Some(7), "the header's count");
}

#[test]
fn bedrock_is_asked_in_its_model_s_own_words() {
    let (outgoing, reply) = asked(
        Wire::BedrockConverse,
        &json!({"input": ["one"], "dimensions": 512, "input_type": "clustering"}),
        "amazon.titan-embed-text-v2:0",
    )
    .unwrap();
    assert_eq!(outgoing.path, "/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_eq!(body(&outgoing), json!({"inputText": "one", "dimensions": 512}));
    assert_eq!(outgoing.dropped, ["input_type"]);
    let answered = answer(&reply, br#"{"embedding":[1,2],"inputTextTokenCount":3}"#, "e", Some(9)).unwrap();
    assert_eq!(answered.tokens.map(|tokens| tokens.input), Some(3), "the body's count before the header's");

    let ask = json!({"input": ["one", "two"], "dimensions": 256});
    let (outgoing, reply) = asked(Wire::BedrockConverse, &ask, "us.cohere.embed-v4:0").unwrap();
    assert_eq!(
        body(&outgoing),
        json!({"texts": ["one", "two"], "input_type": "search_document", "embedding_types": ["float"], "output_dimension": 256})
    );
    for said in [r#"{"embeddings":[[1],[2]]}"#, r#"{"embeddings":{"float":[[1],[2]]}}"#] {
        assert!(answer(&reply, said.as_bytes(), "e", None).is_ok(), "{said}");
    }
}

#[test]
fn what_a_provider_cannot_embed_is_refused() {
    let text = json!({"input": "one"});
    for (wire, ask, model, field) in [
        (Wire::Gemini, json!({"input": [1, 2, 3]}), "g", "input"),
        (Wire::Gemini, json!({"input": [[1, 2], [3]]}), "g", "input"),
        (Wire::BedrockConverse, json!({"input": ["a", "b"]}), "amazon.titan-embed-text-v2:0", "input"),
        (
            Wire::BedrockConverse,
            json!({"input": "a", "dimensions": 3}),
            "amazon.titan-embed-text-v1",
            "dimensions",
        ),
        (
            Wire::BedrockConverse,
            json!({"input": "a", "dimensions": 3}),
            "cohere.embed-english-v3",
            "dimensions",
        ),
        (Wire::BedrockConverse, text.clone(), "meta.llama3", "model"),
        (Wire::AnthropicMessages, text.clone(), "claude", "model"),
    ] {
        let refused = asked(wire, &ask, model).err();
        assert!(
            matches!(refused, Some(Untranslatable::Unsupported { field: found, .. }) if found == field),
            "{model} {ask}: {refused:?}"
        );
    }
    for ask in [
        json!({}),
        json!({"input": 3}),
        json!({"input": ["a", 3]}),
        json!({"input": "a", "encoding_format": "int8"}),
    ] {
        assert!(matches!(asked(Wire::Gemini, &ask, "g"), Err(Untranslatable::Invalid(_))), "{ask}");
    }
}

#[test]
fn an_answer_that_fits_the_texts_badly_is_not_handed_on() {
    let (_, reply) = asked(Wire::Gemini, &json!({"input": ["one", "two"]}), "g").unwrap();
    let few = answer(&reply, br#"{"embeddings":[{"values":[1]}]}"#, "e", None);
    assert!(matches!(few, Err(Unreadable::Protocol(_))), "{few:?}");
    for said in ["", "{}", r#"{"embeddings":[{"values":"x"},{"values":[1]}]}"#] {
        let found = answer(&reply, said.as_bytes(), "e", None);
        assert!(matches!(found, Err(Unreadable::Json(_))), "{said}: {found:?}");
    }
}
