//! OpenAI shapes, provider shapes and SSE framing; pure.
