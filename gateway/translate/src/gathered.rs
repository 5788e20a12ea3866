//! A whole answer from the events of a stream.

use crate::chat::{Answer, Block, Event, Part, Stop};

/// What the events of one whole answer say together. Blocks stand in the order in which they were opened.
pub(crate) fn answer(events: Vec<Event>) -> Answer {
    let mut answer =
        Answer { id: String::new(), model: String::new(), parts: Vec::new(), stop: Stop::End, usage: None };
    for event in events {
        match event {
            Event::Start { id, model, usage } => (answer.id, answer.model, answer.usage) = (id, model, usage),
            Event::Open { block, .. } => answer.parts.push(part(block)),
            Event::Text { index, text: more } => {
                if let Some(Part::Text(text) | Part::Refusal(text) | Part::Reasoning { text, .. }) =
                    answer.parts.get_mut(index)
                {
                    text.push_str(&more);
                }
            }
            Event::Arguments { index, json } => {
                if let Some(Part::ToolCall { arguments, .. }) = answer.parts.get_mut(index) {
                    arguments.push_str(&json);
                }
            }
            Event::Signature { index, signature: given } => {
                if let Some(Part::Reasoning { signature, .. }) = answer.parts.get_mut(index) {
                    *signature = Some(given);
                }
            }
            Event::Close { .. } | Event::Fault(_) => {}
            Event::End { stop, usage } => {
                answer.stop = stop;
                answer.usage = usage.or(answer.usage);
            }
        }
    }
    answer
}

fn part(block: Block) -> Part {
    match block {
        Block::Text => Part::Text(String::new()),
        Block::Reasoning => Part::Reasoning { text: String::new(), signature: None },
        Block::RedactedReasoning(data) => Part::RedactedReasoning(data),
        Block::ToolCall { id, name } => Part::ToolCall { id, name, arguments: String::new() },
        Block::Refusal => Part::Refusal(String::new()),
    }
}
