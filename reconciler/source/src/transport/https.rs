//! HTTPS: two requests to the declared address, and to no other.
//!
//! The token is put into a request in [`HttpsUpstream::authorization`] and nowhere else. Redirects are not followed,
//! so it cannot travel on. Proxies of the environment are honoured for `https`, where they see only the host's name.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git2::Oid;
use moorline_model::Secret;
use ureq::http::Response;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

use super::Upstream;
use crate::budget::Budget;
use crate::config::{HttpsOptions, Limits};
use crate::fetch::{FetchError, Limit};
use crate::pack::PackWriter;
use crate::remote::HttpsRemote;
use crate::wire::{Advertisement, ByteSource, Heads, Packet, PacketReader, pack_request, receive_pack};

/// Bytes of progress and framing that a pack may bring with it.
const FRAMING: u64 = 16 * 1024 * 1024;

/// Some servers give the smart protocol only to clients whose name begins like this.
const AGENT: &str = concat!("git/2.0 (moorline ", env!("CARGO_PKG_VERSION"), ")");

/// Says why a file of certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidAuthorities {
    #[error("could not read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` holds no certificate in PEM form", path.display())]
    Empty { path: PathBuf },
}

/// Keeps connections and the authorities that are trusted.
#[derive(Clone)]
pub(crate) struct HttpsClient {
    agent: Agent,
    plain: Agent,
}

impl HttpsClient {
    /// Reads the authorities, if any are named.
    pub(crate) fn new(options: &HttpsOptions) -> Result<Self, InvalidAuthorities> {
        let roots = match &options.authorities {
            None => RootCerts::PlatformVerifier,
            Some(path) => read_authorities(path.clone())?,
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(roots)
            .build();
        let agent = |proxy| {
            Agent::config_builder()
                .tls_config(tls.clone())
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(AGENT)
                .proxy(proxy)
                .build()
                .new_agent()
        };
        // On loopback bytes travel in clear: no proxy may see them.
        Ok(Self { agent: agent(Proxy::try_from_env()), plain: agent(None) })
    }

    pub(super) fn upstream(
        &self,
        remote: HttpsRemote,
        token: Option<Secret>,
        limits: Limits,
        budget: Budget,
    ) -> HttpsUpstream {
        let agent = if remote.is_plain() { self.plain.clone() } else { self.agent.clone() };
        HttpsUpstream { agent, remote, token, limits, budget, capabilities: Vec::new() }
    }
}

fn read_authorities(path: PathBuf) -> Result<RootCerts, InvalidAuthorities> {
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(source) => return Err(InvalidAuthorities::Read { path, source }),
    };
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(InvalidAuthorities::Empty { path });
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// One fetch over HTTPS.
pub(super) struct HttpsUpstream {
    agent: Agent,
    remote: HttpsRemote,
    token: Option<Secret>,
    limits: Limits,
    budget: Budget,
    capabilities: Vec<String>,
}

impl Upstream for HttpsUpstream {
    fn heads(&mut self) -> Result<Heads, FetchError> {
        self.ask_for_heads().map_err(|error| self.silenced(error))
    }

    fn send(
        &mut self,
        wanted: Oid,
        known: &[Oid],
        _has: &dyn Fn(Oid) -> bool,
        pack: &mut PackWriter<'_>,
    ) -> Result<(), FetchError> {
        self.ask_for_pack(wanted, known, pack).map_err(|error| self.silenced(error))
    }
}

impl HttpsUpstream {
    fn ask_for_heads(&mut self) -> Result<Heads, FetchError> {
        FetchError::check(&self.budget)?;
        let mut request = self
            .agent
            .get(self.remote.endpoint("/info/refs?service=git-upload-pack"))
            .header(ACCEPT, "application/x-git-upload-pack-advertisement");
        if let Some(value) = self.authorization() {
            request = request.header(AUTHORIZATION, value);
        }
        let response = request
            .config()
            .timeout_global(Some(self.budget.left()))
            .timeout_per_read(Some(self.limits.stall))
            .timeout_connect(Some(self.limits.stall))
            .build()
            .call();
        let bytes = self.limits.advertisement_bytes;
        let limit = Limit::AdvertisementBytes(bytes);
        let mut packets =
            self.packets(response, "application/x-git-upload-pack-advertisement", bytes, limit)?;
        if packets.next()? != Packet::Data(b"# service=git-upload-pack\n") || packets.next()? != Packet::Flush
        {
            return Err(packets.protocol("the answer does not begin with the service's name"));
        }
        let advertisement = Advertisement::read(&mut packets)?;
        self.capabilities = advertisement.capabilities;
        Ok(advertisement.heads)
    }

    fn ask_for_pack(&self, wanted: Oid, known: &[Oid], pack: &mut PackWriter<'_>) -> Result<(), FetchError> {
        FetchError::check(&self.budget)?;
        let mut request = self
            .agent
            .post(self.remote.endpoint("/git-upload-pack"))
            .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(ACCEPT, "application/x-git-upload-pack-result");
        if let Some(value) = self.authorization() {
            request = request.header(AUTHORIZATION, value);
        }
        let body = pack_request(&self.remote.to_string(), &self.capabilities, wanted, known)?;
        let response = request
            .config()
            .timeout_global(Some(self.budget.left()))
            .timeout_per_read(Some(self.limits.stall))
            .timeout_connect(Some(self.limits.stall))
            .build()
            .send(&body[..]);
        let limit = Limit::PackBytes(self.limits.pack_bytes);
        let bytes = self.limits.pack_bytes + FRAMING;
        let mut packets = self.packets(response, "application/x-git-upload-pack-result", bytes, limit)?;
        receive_pack(&mut packets, pack)
    }

    /// The one place where the token is used.
    fn authorization(&self) -> Option<String> {
        self.credentials().map(|credentials| format!("Basic {credentials}"))
    }

    fn credentials(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(STANDARD.encode(format!("{}:{}", self.remote.user(), token.expose())))
    }

    /// Takes the token out of a server's words: it was told the token, and may say it back.
    fn silenced(&self, error: FetchError) -> FetchError {
        let silence = |text: String| match (&self.token, self.credentials()) {
            (Some(token), Some(credentials)) if !token.expose().is_empty() => {
                text.replace(&credentials, "…").replace(token.expose(), "…")
            }
            _ => text,
        };
        match error {
            FetchError::Refused { remote, message } => {
                FetchError::Refused { remote, message: silence(message) }
            }
            FetchError::Redirected { remote, target } => {
                FetchError::Redirected { remote, target: silence(target) }
            }
            other => other,
        }
    }

    /// Checks an answer's status and kind, and gives its packets.
    fn packets(
        &self,
        response: Result<Response<Body>, ureq::Error>,
        kind: &str,
        bytes: u64,
        limit: Limit,
    ) -> Result<PacketReader<'static>, FetchError> {
        let remote = self.remote.to_string();
        let response = response.map_err(|error| self.unreachable(error.into_io()))?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match response.status().as_u16() {
            200 => {}
            300..=399 => {
                let target = self.remote.redirect_target(header(LOCATION).unwrap_or_default());
                return Err(FetchError::Redirected { remote, target });
            }
            status @ (401 | 403) => {
                return Err(FetchError::SignInRefused { remote, status, with_token: self.token.is_some() });
            }
            404 | 410 => return Err(FetchError::RepositoryMissing { remote }),
            status => return Err(FetchError::Status { remote, status }),
        }
        if header(CONTENT_TYPE) != Some(kind) {
            let problem = "the answer is of another kind: is this the address of a repository?".to_owned();
            return Err(FetchError::Protocol { remote, problem });
        }
        let source = BodySource {
            reader: response.into_body().into_reader(),
            remote: remote.clone(),
            budget: self.budget.clone(),
        };
        Ok(PacketReader::new(Box::new(source), remote, bytes, limit))
    }

    fn unreachable(&self, source: std::io::Error) -> FetchError {
        unreachable(&self.remote.to_string(), &self.budget, source)
    }
}

/// A connection that broke because its time was over says so.
fn unreachable(remote: &str, budget: &Budget, source: std::io::Error) -> FetchError {
    match FetchError::check(budget) {
        Err(error) => error,
        Ok(()) => FetchError::Unreachable { remote: remote.to_owned(), source },
    }
}

/// An answer's body.
struct BodySource {
    reader: ureq::BodyReader<'static>,
    remote: String,
    budget: Budget,
}

impl ByteSource for BodySource {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        FetchError::check(&self.budget)?;
        self.reader.read(buffer).map_err(|error| unreachable(&self.remote, &self.budget, error))
    }
}
