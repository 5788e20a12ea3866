//! The floor: a proxy of bare hyper that forwards and does nothing else. One thread, one runtime, its own pool of
//! connections to one upstream. What a gateway in Rust costs above it is the gateway's own doing.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// What makes this program be the floor.
pub(crate) const COMMAND: &str = "floor";

/// Connections to the upstream; one whose last answer is still being read is not ready.
type Pool = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

/// Forwards everything until it is killed.
pub(crate) fn run(upstream: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        println!("{}", json!({"listening": {"data": listener.local_addr().unwrap()}}));
        let (tasks, pool) = (TaskTracker::new(), Pool::default());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (spawner, pool) = (tasks.clone(), Rc::clone(&pool));
            let service =
                service_fn(move |request| forward(request, upstream, Rc::clone(&pool), spawner.clone()));
            tasks.spawn_local(async move {
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                drop(serving.await);
            });
        }
    });
}

async fn forward(
    request: Request<Incoming>,
    upstream: SocketAddr,
    pool: Pool,
    tasks: TaskTracker,
) -> hyper::Result<Response<Incoming>> {
    let idle = {
        let mut pool = pool.borrow_mut();
        let ready = pool.iter().position(SendRequest::is_ready);
        ready.map(|at| pool.swap_remove(at))
    };
    let mut connection = match idle {
        Some(connection) => connection,
        None => {
            let socket = TcpStream::connect(upstream).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
            tasks.spawn_local(connection);
            sender.ready().await?;
            sender
        }
    };
    let response = connection.send_request(request).await?;
    pool.borrow_mut().push(connection);
    Ok(response)
}
