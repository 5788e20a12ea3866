//! A provider that speaks the OpenAI protocol and can fail in every way that providers do.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tasks::Tasks;

/// How the provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It answers.
    None,
    /// It answers 500.
    Error,
    /// It refuses the gateway's key.
    Unauthorized,
    /// It takes the request and never answers.
    Hang,
    /// It answers half of a stream and breaks the connection.
    Reset,
    /// It closes every connection before it reads.
    Refuse,
}

/// The words it answers with, one a chunk when streaming.
const WORDS: [&str; 4] = ["All ", "lines ", "are ", "fast."];

#[derive(Debug)]
struct Shared {
    fault: Mutex<Fault>,
    requests: AtomicU64,
    authorization: Mutex<Option<String>>,
}

/// A provider. It answers with the model it was asked for, so that a caller can tell which document served it.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: Tasks,
}

impl Provider {
    /// Starts a provider on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            fault: Mutex::new(Fault::None),
            requests: AtomicU64::new(0),
            authorization: Mutex::new(None),
        });
        let tasks = Tasks::new();
        let spawner = tasks.spawner();
        let state = Arc::clone(&shared);
        tasks.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                if state.fault() == Fault::Refuse {
                    continue;
                }
                drop(socket.set_nodelay(true));
                let state = Arc::clone(&state);
                spawner.spawn(async move {
                    let service = service_fn(|request| answer(request, Arc::clone(&state)));
                    let served = hyper::server::conn::http1::Builder::new();
                    // A connection that breaks is what the faults are for.
                    drop(served.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { address, shared, _tasks: tasks }
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a gateway document.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// From now on it behaves like this.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The Authorization header of the last request.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.shared.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, io::Error> {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    *shared.authorization.lock().unwrap_or_else(PoisonError::into_inner) = authorization.map(str::to_owned);
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_stream = request["stream"] == true;
    match shared.fault() {
        Fault::None => Ok(if is_stream { streamed(&request, WORDS.len()) } else { whole(&request) }),
        Fault::Error => {
            let error = json!({"error": {"message": "the model is overloaded", "type": "server_error"}});
            Ok(respond(StatusCode::INTERNAL_SERVER_ERROR, "application/json", error.to_string()))
        }
        Fault::Unauthorized => {
            let error =
                json!({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}});
            Ok(respond(StatusCode::UNAUTHORIZED, "application/json", error.to_string()))
        }
        Fault::Hang => std::future::pending().await,
        Fault::Reset if is_stream => Ok(streamed(&request, WORDS.len() / 2)),
        Fault::Reset | Fault::Refuse => Err(io::Error::other("the test's fault")),
    }
}

fn whole(request: &Value) -> Answer {
    let message = json!({"role": "assistant", "content": WORDS.concat()});
    let answer = json!({
        "id": "chatcmpl-test", "object": "chat.completion", "created": 0, "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage(),
    });
    respond(StatusCode::OK, "application/json", answer.to_string())
}

fn usage() -> Value {
    json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13})
}

/// A stream of the first `words` words; one that is not whole breaks off with an error.
fn streamed(request: &Value, words: usize) -> Answer {
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 0, "model": request["model"],
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        Ok(Frame::data(Bytes::from(format!("data: {chunk}\n\n"))))
    };
    let delta =
        |word: &&str| chunk(json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]), None);
    let mut frames: Vec<Result<Frame<Bytes>, io::Error>> = WORDS[..words].iter().map(delta).collect();
    if words == WORDS.len() {
        frames.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), None));
        if request["stream_options"]["include_usage"] == true {
            frames.push(chunk(json!([]), Some(usage())));
        }
        frames.push(Ok(Frame::data(Bytes::from_static(b"data: [DONE]\n\n"))));
    } else {
        frames.push(Err(io::Error::other("the test's fault")));
    }
    let frames = stream::iter(frames).then(|frame| async {
        // Gives the connection a chance to send what it has before it breaks.
        tokio::task::yield_now().await;
        frame
    });
    let body = BodyExt::boxed(StreamBody::new(frames));
    Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap()
}

fn respond(status: StatusCode, content_type: &str, text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed();
    Response::builder().status(status).header(CONTENT_TYPE, content_type).body(body).unwrap()
}
