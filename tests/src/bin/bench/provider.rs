//! A provider that answers at once and costs next to nothing: every answer is bytes made ahead. It speaks OpenAI's
//! chat completions and Anthropic's messages, whole and streamed.

use std::net::SocketAddr;
use std::sync::LazyLock;

use memchr::memmem;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::http1;

/// What it says: a word a chunk.
pub(crate) const WORDS: [&str; 20] = [
    "All ",
    "four ",
    "mooring ",
    "lines ",
    "hold: ",
    "two ",
    "at ",
    "the ",
    "bow, ",
    "two ",
    "at ",
    "the ",
    "stern, ",
    "springs ",
    "doubled, ",
    "fenders ",
    "out, ",
    "watch ",
    "set ",
    "fore.",
];

/// Answers of one dialect.
struct Answers {
    /// Head and body.
    whole: Vec<u8>,
    /// The pieces of a stream, each written by itself; the first carries the head.
    streamed: Vec<Vec<u8>>,
    /// The same for callers that ask for the usage as well.
    streamed_with_usage: Vec<Vec<u8>>,
}

static OPENAI: LazyLock<Answers> = LazyLock::new(|| {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "chatcmpl-9vXk2mQ7", "object": "chat.completion.chunk", "created": 1_764_000_000,
            "model": "first", "system_fingerprint": "fp_44709d6fcb", "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let delta = |word: &&str| {
        chunk(
            json!([{"index": 0, "delta": {"content": word}, "logprobs": null, "finish_reason": null}]),
            Value::Null,
        )
    };
    let usage = json!({"prompt_tokens": 17, "completion_tokens": 20, "total_tokens": 37});
    let stop = chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), Value::Null);
    let last = chunk(json!([]), usage.clone());
    let whole = json!({
        "id": "chatcmpl-9vXk2mQ7", "object": "chat.completion", "created": 1_764_000_000, "model": "first",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": WORDS.concat(), "refusal": null},
            "logprobs": null, "finish_reason": "stop",
        }],
        "usage": usage, "system_fingerprint": "fp_44709d6fcb",
    });
    let words: Vec<String> = WORDS.iter().map(delta).collect();
    Answers {
        whole: answer(&whole),
        streamed: stream(&words, &format!("{stop}data: [DONE]\n\n")),
        streamed_with_usage: stream(&words, &format!("{stop}{last}data: [DONE]\n\n")),
    }
});

static ANTHROPIC: LazyLock<Answers> = LazyLock::new(|| {
    let event = |event: Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    let message = |content: Value, stop: Value, output: u32| {
        json!({
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": "first",
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {"input_tokens": 17, "output_tokens": output},
        })
    };
    let mut words: Vec<String> = WORDS
        .iter()
        .map(|word| {
            event(json!({
                "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word},
            }))
        })
        .collect();
    let started = event(json!({"type": "message_start", "message": message(json!([]), Value::Null, 1)}));
    let block =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    words[0] = format!("{started}{}{}", event(block), words[0]);
    let stop = json!({
        "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": 20},
    });
    let end = [json!({"type": "content_block_stop", "index": 0}), stop, json!({"type": "message_stop"})];
    let end: String = end.into_iter().map(event).collect();
    let text = json!([{"type": "text", "text": WORDS.concat()}]);
    Answers {
        whole: answer(&message(text, json!("end_turn"), 20)),
        streamed: stream(&words, &end),
        streamed_with_usage: stream(&words, &end),
    }
});

/// A whole answer.
fn answer(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_7f3a\r\ncontent-length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

/// One write a word; the end comes with the last of them.
fn stream(words: &[String], end: &str) -> Vec<Vec<u8>> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_7f3a\r\n\
                cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
    let framed = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let mut pieces: Vec<String> = words.iter().map(|word| framed(word)).collect();
    pieces[0].insert_str(0, head);
    pieces.last_mut().unwrap().push_str(&format!("{}0\r\n\r\n", framed(end)));
    pieces.into_iter().map(String::into_bytes).collect()
}

/// Starts it on this runtime's thread.
pub(crate) async fn start(tasks: &TaskTracker) -> SocketAddr {
    http1::listen(tasks, serve).await
}

/// Answers on one connection until its caller goes away.
async fn serve(mut socket: TcpStream) {
    let mut buffer: Vec<u8> = Vec::with_capacity(128 * 1024);
    while let Some((head, end)) = http1::next_request(&mut socket, &mut buffer).await {
        let (request, body) = buffer[..end].split_at(head);
        let answers = if request.starts_with(b"POST /v1/messages") { &*ANTHROPIC } else { &*OPENAI };
        let sent = if says(body, b"\"stream\":true") {
            let is_usage_asked = says(body, b"\"include_usage\":true");
            let pieces = if is_usage_asked { &answers.streamed_with_usage } else { &answers.streamed };
            write(&mut socket, pieces).await
        } else {
            socket.write_all(&answers.whole).await
        };
        if sent.is_err() {
            return;
        }
        buffer.drain(..end);
    }
}

async fn write(socket: &mut TcpStream, pieces: &[Vec<u8>]) -> std::io::Result<()> {
    for piece in pieces {
        socket.write_all(piece).await?;
        // Everybody else's turn, so that the pieces do not arrive as one.
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn says(body: &[u8], what: &[u8]) -> bool {
    memmem::find(body, what).is_some()
}
