//! What is kept from one look to the next.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::ConfigLoader;
use moorline_aws::{Connections, loader, managed};
use moorline_model::declaration;

use crate::server::{Answer, answering};
use crate::world::{WEB_ACL, credentials, declared, only, state};

static CONNECTED: AtomicUsize = AtomicUsize::new(0);

fn counted(declared: &declaration::Aws) -> ConfigLoader {
    CONNECTED.fetch_add(1, Ordering::Relaxed);
    loader(declared).credentials_provider(credentials())
}

#[tokio::test]
async fn connections_are_kept_until_something_could_not_be_read() {
    let managed = managed(&only(state(), WEB_ACL));
    let connections = Connections::through(counted);
    // That it is gone was read.
    for (code, connected) in [("WAFNonexistentItemException", 1), ("AccessDeniedException", 1 + 3)] {
        let looks = async |address| {
            for _ in 0..3 {
                assert_eq!(connections.findings(&declared(address), &managed).await.len(), 1);
            }
        };
        answering(Answer::Error(400, code), looks).await;
        assert_eq!(CONNECTED.load(Ordering::Relaxed), connected, "{code}");
    }
}
