//! The program as a plugin, without Terraform: who may call it, and what ends it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
const DEADLINE: Duration = Duration::from_secs(20);

/// One end of mutual TLS, as go-plugin makes it: self-signed and marked as an authority.
struct Caller {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl Caller {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self { certificate: parameters.self_signed(&key).unwrap(), key }
    }

    /// Whether the plugin takes a connection from this caller.
    async fn is_accepted(&self, plugin: &Plugin) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(plugin.certificate.clone())).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // Unlike the usual way, this takes a key that does not belong to the certificate.
        let signer = provider.key_provider.load_private_key(key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(vec![self.certificate.der().clone()], signer);
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = UnixStream::connect(&plugin.socket).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        // In TLS 1.3 the client learns of a refusal only when it reads: an alert, instead of HTTP/2 settings.
        let Ok(mut stream) = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
        else {
            return false;
        };
        let mut settings = [0; 9];
        stream.read_exact(&mut settings).await.is_ok()
    }
}

/// A started plugin.
struct Plugin {
    child: Child,
    socket: String,
    certificate: Vec<u8>,
}

impl Plugin {
    async fn start(caller: &Caller) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_terraform-provider-moorline"))
            .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
            .env("PLUGIN_CLIENT_CERT", caller.certificate.pem())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
        let parts: Vec<&str> = line.trim().split('|').collect();
        assert_eq!((parts[0], parts[1], parts[2], parts[4]), ("1", "6", "unix", "grpc"), "{line}");
        let certificate = STANDARD_NO_PAD.decode(parts[5]).unwrap();
        Self { socket: parts[3].to_owned(), certificate, child }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it did not end in time")
}

#[tokio::test]
async fn only_the_holder_of_the_announced_certificate_may_call() {
    let (terraform, stranger) = (Caller::new(), Caller::new());
    let plugin = in_time(Plugin::start(&terraform)).await;
    assert!(!in_time(stranger.is_accepted(&plugin)).await);
    // The certificate is public (it stands in our environment); without its key it is worth nothing.
    let thief = Caller { certificate: terraform.certificate.clone(), key: stranger.key };
    assert!(!in_time(thief.is_accepted(&plugin)).await);
    assert!(in_time(terraform.is_accepted(&plugin)).await);
}

#[tokio::test]
async fn an_interrupt_is_left_to_terraform() {
    let terraform = Caller::new();
    let plugin = in_time(Plugin::start(&terraform)).await;
    plugin.signal(rustix::process::Signal::INT);
    assert!(in_time(terraform.is_accepted(&plugin)).await);
}

#[tokio::test]
async fn a_plugin_whose_terraform_was_killed_ends() {
    let program = env!("CARGO_BIN_EXE_terraform-provider-moorline");
    let mut parent = Command::new("sh")
        .args(["-c", "\"$0\" & wait", program])
        .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
        .env("PLUGIN_PROTOCOL_VERSIONS", "6")
        .env("PLUGIN_CLIENT_CERT", Caller::new().certificate.pem())
        .stdout(Stdio::piped())
        // Were it to live on, it must not hold what the test itself is read through.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(parent.stdout.take().unwrap());
    let mut line = String::new();
    in_time(stdout.read_line(&mut line)).await.unwrap();
    parent.start_kill().unwrap();
    // The plugin holds the other end of this pipe for as long as it lives.
    assert_eq!(in_time(stdout.read_line(&mut line)).await.unwrap(), 0);
}

#[tokio::test]
async fn the_socket_is_in_a_directory_of_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let plugin = in_time(Plugin::start(&Caller::new())).await;
    let directory = std::path::Path::new(&plugin.socket).parent().unwrap();
    assert_eq!(std::fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_person_is_told_what_this_program_is() {
    let program = env!("CARGO_BIN_EXE_terraform-provider-moorline");
    let output = in_time(Command::new(program).output()).await.unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("This is a Terraform provider"));
}
