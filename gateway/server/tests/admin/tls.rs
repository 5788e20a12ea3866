//! TLS on the admin port: a client certificate in place of the token.

use moorline_admin::{AdminError, Client, ClientTls, Origin, WriteOptions};
use moorline_config::Secret;

use crate::certificates::{Authority, Signed};
use crate::harness::{Home, TOKEN, document, git, in_time, problem};

fn client(address: &str, roots: &Authority, identity: Option<&Signed>, token: Option<&str>) -> Client {
    let identity = identity.map(|signed| Secret::new(format!("{}{}", signed.certificate, signed.key)));
    let tls = ClientTls { roots: Some(roots.pem.clone()), identity };
    Client::secured(address, token.map(|token| Secret::new(token.to_owned())), &tls).unwrap()
}

#[tokio::test]
async fn a_client_certificate_opens_the_admin_api_and_says_who_wrote() {
    let (home, authority, clients) = (Home::new(), Authority::new(), Authority::new());
    let files = authority.server().write(&home.path("."));
    home.write("ca.crt", &clients.pem);
    let ca = home.path("ca.crt");
    let arguments = [
        "--admin-tls-cert",
        files.certificate.to_str().unwrap(),
        "--admin-tls-key",
        files.key.to_str().unwrap(),
        "--admin-client-ca",
        ca.to_str().unwrap(),
    ];
    let gateway = home.start(&arguments).await;
    let address = gateway.admin.replace("http://", "https://");
    let deployer = clients.client("deployer");

    let by_certificate = client(&address, &authority, Some(&deployer), None);
    let stable = by_certificate.put_config(&document("a"), &git("c1")).await.unwrap().stable.unwrap();
    assert_eq!((stable.origin, stable.actor.as_deref()), (Origin::Git, Some("deployer")));
    let manual = WriteOptions {
        origin: Some(Origin::Manual),
        take_over: true,
        actor: Some("zoe".to_owned()),
        reason: Some("upstream down".to_owned()),
        ..WriteOptions::default()
    };
    let stable = by_certificate.put_config(&document("b"), &manual).await.unwrap().stable.unwrap();
    assert_eq!(stable.actor.as_deref(), Some("deployer (for zoe)"));

    // Without a certificate the token still opens, and without both nothing does.
    client(&address, &authority, None, Some(TOKEN)).status().await.unwrap();
    for token in [None, Some("wrong-token")] {
        let (status, kind, _) = problem(client(&address, &authority, None, token).status().await);
        assert_eq!((status, kind.as_str()), (401, "unauthorized"));
    }
    // Another authority's certificate is refused in the handshake, with the token too.
    let stranger = Authority::new().client("deployer");
    let refused = client(&address, &authority, Some(&stranger), Some(TOKEN)).status().await.unwrap_err();
    assert!(matches!(refused, AdminError::Unreachable { .. }), "{refused}");
    // Nor is a gateway believed that another authority signed, nor is there a way in clear.
    let unknown = client(&address, &Authority::new(), Some(&deployer), None).status().await.unwrap_err();
    assert!(matches!(unknown, AdminError::Unreachable { .. }), "{unknown}");
    assert_eq!(gateway.raw("GET", "/admin/v1/status").send().await.unwrap().status(), 400);
    assert!(!gateway.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn both_ports_speak_tls_and_the_address_told_says_so() {
    let (home, authority) = (Home::new(), Authority::new());
    let files = authority.server().write(&home.path("."));
    let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
    let arguments = [
        "--tls-cert",
        certificate,
        "--tls-key",
        key,
        "--admin-tls-cert",
        certificate,
        "--admin-tls-key",
        key,
    ];
    let gateway = home.start(&arguments).await;
    let admin = client(&gateway.admin.replace("http://", "https://"), &authority, None, Some(TOKEN));
    let endpoint = admin.status().await.unwrap().endpoint.unwrap();
    assert_eq!(endpoint, gateway.data.replace("http://", "https://"));
    let roots = reqwest::Certificate::from_pem_bundle(authority.pem.as_bytes()).unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only(roots).build().unwrap();
    let answer = in_time(http.get(format!("{endpoint}/healthz")).send()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_11));

    // Another certificate is used from its replacement on, without a restart.
    let renewed = Authority::new();
    renewed.server().write(&home.path("."));
    let renewed = client(&gateway.admin.replace("http://", "https://"), &renewed, None, Some(TOKEN));
    in_time(async {
        while renewed.status().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}
