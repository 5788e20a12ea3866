//! A gateway: the real `moorline-gateway`, without a document until it is given one.

use std::path::Path;

use moorline_admin::{Client, Origin, Status, WriteOptions};
use moorline_config::Secret;
use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Process, program};

/// What opens the admin API of every gateway here.
pub const ADMIN_TOKEN: &str = "gateway-admin-token-of-tests";
/// What the gateway shows the provider.
pub const PROVIDER_KEY: &str = "provider-key-of-tests";

#[derive(Debug)]
pub struct Gateway {
    process: Process,
    /// Its admin API.
    pub client: Client,
    /// `http://…` of its admin API.
    pub admin: String,
    /// `http://…` where callers reach it.
    pub data: String,
}

impl Gateway {
    /// Starts a gateway whose log and kept state are in `folder`, under its name.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(folder: &Path, name: &str) -> Self {
        let state = folder.join(name);
        let arguments =
            ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--admin-token", "env:ADMIN_TOKEN"];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.extend(["--state".to_owned(), state.display().to_string()]);
        let variables = [("ADMIN_TOKEN", ADMIN_TOKEN), ("PROVIDER_KEY", PROVIDER_KEY)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let log = folder.join(format!("{name}.log"));
        let mut process = Process::start(&program("moorline-gateway"), &arguments, &variables, &log);
        let listening = process.listening().await;
        let at = |name: &str| format!("http://{}", listening[name].as_str().unwrap());
        let client = Client::new(&at("admin"), Some(Secret::new(ADMIN_TOKEN.to_owned()))).unwrap();
        Self { process, client, admin: at("admin"), data: at("data") }
    }

    /// What it attests.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn status(&self) -> Status {
        self.client.status().await.unwrap()
    }

    /// The digest it serves.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn digest(&self) -> Option<String> {
        self.status().await.stable.map(|stable| stable.digest.to_string())
    }

    /// Edits the document by hand, as break-glass.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let mut document = self.client.config().await.unwrap().document;
        edit(&mut document);
        let options = WriteOptions {
            origin: Some(Origin::Manual),
            take_over: true,
            actor: Some("night-shift".to_owned()),
            reason: Some("incident 7".to_owned()),
            ..WriteOptions::default()
        };
        self.client.put_config(&document, &options).await.unwrap();
    }

    /// Stops it where it stands: it answers nothing, and its sockets stay open.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }
}
