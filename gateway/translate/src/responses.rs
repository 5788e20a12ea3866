//! OpenAI Responses, as callers speak it.
//!
//! Sources: platform.openai.com/docs/api-reference/responses and responses-streaming, and the types of the official
//! Python SDK (3.52). A gateway keeps no conversations: what refers to one that is kept (`previous_response_id`,
//! `conversation`, `item_reference`, stored prompts) is refused, and answers say `store: false`.
//!
//! **Thoughts.** They are items: their text is the `summary`, and what a provider signed is in `encrypted_content`, as
//! [`carrier`] writes it. A caller that sends the items back, as every stateless one must, gives the provider its
//! thoughts back unchanged. Those that OpenAI itself encrypted nobody else can read; they are left out and named.

mod carrier;
mod encode;
mod items;
mod object;
mod read_request;
mod write_answer;

pub(crate) use encode::StreamEncoder;
pub(crate) use object::echo;
pub(crate) use read_request::read_request;
pub(crate) use write_answer::write_answer;
