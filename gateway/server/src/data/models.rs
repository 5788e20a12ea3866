//! The models a caller may use, in its protocol's shape.
//!
//! Sources: platform.openai.com/docs/api-reference/models; docs.anthropic.com/en/api/models-list.

use bytes::Bytes;
use moorline_translate::Caller as Dialect;
use serde_json::{Value, json};

use crate::routing::{Key, ModelIndex, Routing};

/// No model says when it was made; both protocols want a moment.
const MADE: &str = "1970-01-01T00:00:00Z";

/// All of them.
pub(super) fn list(routing: &Routing, key: &Key, dialect: Dialect) -> Bytes {
    let shown = routing.models().filter(|(index, _)| may_use(routing, key, *index));
    let data: Vec<Value> = shown.map(|(_, model)| shape(model.name.as_str(), dialect)).collect();
    let list = match dialect {
        Dialect::AnthropicMessages => {
            let id = |model: Option<&Value>| model.and_then(|model| model.get("id")).cloned();
            json!({"first_id": id(data.first()), "last_id": id(data.last()), "data": data, "has_more": false})
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses => json!({"object": "list", "data": data}),
    };
    Bytes::from(list.to_string())
}

/// One of them, when the caller may use it.
pub(super) fn one(routing: &Routing, key: &Key, dialect: Dialect, name: &str) -> Option<Bytes> {
    let index = routing.model_named(name).filter(|index| may_use(routing, key, *index))?;
    let model = routing.model(index)?;
    Some(Bytes::from(shape(model.name.as_str(), dialect).to_string()))
}

fn may_use(routing: &Routing, key: &Key, index: ModelIndex) -> bool {
    key.allows(index) && routing.routes().iter().any(|route| route.allows(index))
}

fn shape(name: &str, dialect: Dialect) -> Value {
    match dialect {
        Dialect::AnthropicMessages => {
            json!({"type": "model", "id": name, "display_name": name, "created_at": MADE})
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json!({"id": name, "object": "model", "created": 0, "owned_by": "moorline"})
        }
    }
}
