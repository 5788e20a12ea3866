//! Webhooks: proven or refused, and in no case believed.

use std::io::{Read as _, Write as _};

use hmac::{Hmac, Mac as _};
use moorline_model::Secret;
use reqwest::{Method, StatusCode};
use sha2::Sha256;

use crate::rig::{HOOK_SECRET, Rig, WAIT};

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

async fn send(rig: &Rig, path: &str, headers: &[(&str, &str)], body: &str) -> StatusCode {
    let mut request = rig.request(Method::POST, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.to_owned()).send().await.unwrap().status()
}

#[tokio::test]
async fn a_proven_hook_rings_once_a_delivery() {
    let rig = Rig::start().await;
    let body = "{\"ref\": \"refs/heads/main\"}";
    let signature = signature(HOOK_SECRET, body);
    let hooks = [
        ("/hooks/generic", "x-moorline-signature", signature.as_str(), "x-moorline-delivery"),
        ("/hooks/github", "x-hub-signature-256", signature.as_str(), "x-github-delivery"),
        ("/hooks/gitlab", "x-gitlab-token", HOOK_SECRET, "x-gitlab-event-uuid"),
    ];
    for (number, (path, name, proof, delivery)) in (1..).zip(hooks) {
        let headers = [(name, proof), (delivery, path)];
        for _ in 0..2 {
            assert_eq!(send(&rig, path, &headers, body).await, StatusCode::ACCEPTED, "{path}");
            assert_eq!(rig.wakes(), number, "{path}: a replay wakes nothing");
        }
    }
    send(&rig, "/hooks/generic", &[("x-moorline-signature", &signature)], body).await;
    send(&rig, "/hooks/generic", &[("x-moorline-signature", &signature)], body).await;
    assert_eq!(rig.wakes(), 5, "what carries no id is never a replay");
}

#[tokio::test]
async fn an_unproven_hook_is_refused_and_rings_nothing() {
    let rig = Rig::start().await;
    let body = "{}";
    let right = signature(HOOK_SECRET, body);
    let digits = right.strip_prefix("sha256=").unwrap().to_owned();
    let wrong: Vec<String> = vec![
        String::new(),
        "sha256=".to_owned(),
        digits.clone(),
        format!("sha1={digits}"),
        right[..right.len() - 2].to_owned(),
        format!("{right}00"),
        signature("another", body),
        signature("", body),
        signature(HOOK_SECRET, "{} "),
        format!("sha256={}", "zz".repeat(32)),
        HOOK_SECRET.to_owned(),
    ];
    for (path, header) in
        [("/hooks/generic", "x-moorline-signature"), ("/hooks/github", "x-hub-signature-256")]
    {
        assert_eq!(send(&rig, path, &[], body).await, StatusCode::UNAUTHORIZED);
        for wrong in &wrong {
            assert_eq!(send(&rig, path, &[(header, wrong)], body).await, StatusCode::UNAUTHORIZED, "{wrong}");
        }
        let two = [(header, right.as_str()), (header, right.as_str())];
        assert_eq!(send(&rig, path, &two, body).await, StatusCode::UNAUTHORIZED, "two signatures");
    }
    for token in ["", "hook-secre", "hook-secret2", "HOOK-SECRET"] {
        let status = send(&rig, "/hooks/gitlab", &[("x-gitlab-token", token)], body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{token}");
    }
    assert_eq!(send(&rig, "/hooks/gitlab", &[], body).await, StatusCode::UNAUTHORIZED);
    assert_eq!(rig.wakes(), 0);
}

#[tokio::test]
async fn without_a_secret_hooks_are_closed() {
    for secret in [None, Some(Secret::new(String::new()))] {
        let rig = Rig::with("127.0.0.1:0", |web| web.webhook_secret = secret).await;
        let empty = signature("", "{}");
        for (path, headers) in [
            ("/hooks/generic", [("x-moorline-signature", empty.as_str())]),
            ("/hooks/github", [("x-hub-signature-256", empty.as_str())]),
            ("/hooks/gitlab", [("x-gitlab-token", "")]),
        ] {
            assert_eq!(send(&rig, path, &headers, "{}").await, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(rig.wakes(), 0);
    }
}

#[tokio::test]
async fn a_hook_that_is_too_large_or_breaks_off_rings_nothing() {
    let rig = Rig::start().await;
    let large = "x".repeat((256 << 10) + 1);
    let proof = signature(HOOK_SECRET, &large);
    let status = send(&rig, "/hooks/generic", &[("x-moorline-signature", &proof)], &large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let status = send(&rig, "/hooks/gitlab", &[("x-gitlab-token", HOOK_SECRET)], &large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);

    let (address, proof) = (rig.address, signature(HOOK_SECRET, "{}"));
    let broken = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let head = format!(
            "POST /hooks/generic HTTP/1.1\r\nHost: {address}\r\nContent-Length: 9\r\nX-Moorline-Signature: {proof}\r\n\r\n{{}}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    });
    let answer = String::from_utf8(broken.await.unwrap()).unwrap();
    assert!(!answer.contains(" 202 "), "{answer}");
    assert_eq!(rig.wakes(), 0);
}
