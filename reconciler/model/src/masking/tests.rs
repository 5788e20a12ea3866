use proptest::prelude::*;

use super::*;

/// Secrets in the shapes in which people have them, each with what of it must never be seen.
const SECRETS: [(&str, &str); 27] = [
    ("sk-proj-hunter2hunter2", "hunter2"),
    ("sk-hunter-hunter", "hunter"),
    ("ghp_hunter2hunter2hunter2", "hunter2"),
    ("AKIAHUNTER2HUNTER2AB", "HUNTER2"),
    ("hvs.hunter2hunter2", "hunter2"),
    ("hf_hunter2Hunter2hunter2", "unter2"),
    ("eyJhbGciOiJIUzI1NiJ9.hunter2.hunter2", "hunter2"),
    ("Basic dXNlcjpwYXNz", "dXNlc"),
    ("bearer hunter2hunter2", "hunter2"),
    ("Authorization: Bearer hunter2", "hunter2"),
    ("password=hunter2", "hunter2"),
    ("password: hunter", "hunter"),
    ("--admin-token hunter2", "hunter2"),
    ("{\"api_key\": \"hunter two\", \"x\": 1}", "two"),
    ("api_key: `hunter`", "hunter"),
    ("https://user:hunter2@host/v1", "hunter2"),
    ("https://user:hunter2/x?y@host/v1", "hunter2"),
    ("https://hunter2@host", "hunter2"),
    ("user:hunter2@host:6379", "hunter2"),
    ("https://host/v1?code=hunter2", "hunter2"),
    ("https://hooks.slack.com/services/T000/B000/hunter2", "hunter2"),
    ("https://example.com/api/webhooks/1/hunter", "hunter"),
    ("https://api.telegram.org/bot123:hunter2/send", "hunter2"),
    ("/bot123:hunter2/", "hunter2"),
    ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "EXAMPLE"),
    ("7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069", "7f83b165"),
    ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", "hunter2"),
];

/// What people want to read.
const ORDINARY: [&str; 45] = [
    "gpt-4o-mini-2024-07-18",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo-FP8",
    "accounts/fireworks/models/llama-v3p1-405b-instruct",
    "ft:gpt-4o-mini-2024-07-18:acme::9abcDEF1",
    "gateway:v1.2@sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "registry.example.com:5000/acme/gateway@sha256:0011223344556677",
    "document sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff is in force",
    "Revert 3d014b5abc0123456789abcdef0123456789abcd",
    "Revert \"Raise the limit\" (3d014b5abc)",
    "http://10.0.1.10:8788",
    "https://api.openai.com/v1/chat/completions",
    "https://github.com/acme/deploy/commit/3d014b5abc0123456789abcdef0123456789abcd",
    "https://github.com/acme/deploy/pull/7, see there.",
    "https://medium.com/@jane/limits",
    "https://vault.internal/v1/secret/data/team",
    "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-3-5-sonnet-20241022-v2:0/invoke",
    "https://x.openai.azure.com/openai/deployments/gpt-4o",
    "my-lb-1234567890.eu-west-1.elb.amazonaws.com",
    "git@github.com:acme/deploy.git",
    "mailto:jane.doe2@example.com and jane.doe2@example.com",
    "arn:aws:ecs:eu-west-1:123456789012:task/moorline/0123456789abcdef0123456789abcdef",
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/gw/0123456789abcdef",
    "123e4567-e89b-12d3-a456-426614174000",
    "i-0123456789abcdef0",
    "gateway-7d9f8b6c5d-x2x9z",
    "2026-11-21T14:02:00Z",
    "Let the first team ask twice as often",
    "token: refresh it earlier",
    "secret-scanning: 3 findings are gone",
    "feat(auth): Bearer tokens for callers, Basic authentication goes",
    "Take the token out of the log",
    "max_tokens: 4096, first_token=30s",
    "admin_token: env:GATEWAY_ADMIN_TOKEN",
    "token=file:/run/secrets/admin",
    "TestGatewayRejects400OnBadInput fails no more",
    "risk-averse desk-sharing in task-force-management",
    "reconciler/plan/src/advance/notify.rs",
    "{requests: 1000, per: key, window: 1h}",
    "OPS-1234: the provider is down since 14:02 UTC",
    "npm:left-pad@1.3.0",
    "the host key is SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8",
    "schlüssel für das gäste-netz",
    "",
];

fn shape() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(&SECRETS[..])
}

#[test]
fn what_people_want_to_read_stays_as_it_is() {
    for text in ORDINARY {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn the_rest_of_an_address_is_shown() {
    for (address, shown) in [
        ("https://user:pw@host/v1", "https://(not shown)@host/v1"),
        ("see https://h/v1?code=x, please", "see https://h/v1?(not shown), please"),
        ("https://hooks.slack.com/services/T000/B000/xxxx", "https://hooks.slack.com/(not shown)"),
        ("https://api.telegram.org/bot123:token/send", "https://api.telegram.org/(not shown)/send"),
    ] {
        assert_eq!(masked(address), shown);
    }
}

#[test]
fn names_of_secrets_are_told_from_names_that_only_sound_so() {
    for name in ["token", "admin_token", "api_key", "DB_PASSWORD", "clientSecret", "aws_secret_access_key"] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["max_tokens", "tokens", "first_token", "key", "path", "tokenizer", "desired_count"] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn a_text_is_cleaned_when_it_is_read() {
    #[derive(Deserialize)]
    struct Said {
        #[serde(deserialize_with = "super::deserialize")]
        reason: String,
    }
    let said: Said = serde_json::from_value(serde_json::json!({"reason": "key sk-hunter2hunter2"})).unwrap();
    assert_eq!(said.reason, "key (not shown)");
}

proptest! {
    #[test]
    fn no_secret_is_shown_wherever_it_stands(
        (secret, hidden) in shape(),
        before in prop::sample::select(&["", "key ", "Rotate: ", "(", "\"", "a, ", "TOKEN_", "ü→"][..]),
        after in prop::sample::select(&["", " again", ".", ")", "\"", ", b", "\n"][..]),
        ordinary in prop::sample::select(&ORDINARY[..]),
    ) {
        for text in [format!("{before}{secret}{after}"), format!("{ordinary} {before}{secret}{after} {ordinary}")] {
            let shown = masked(&text);
            prop_assert!(!shown.contains(hidden), "{text:?} became {shown:?}");
            prop_assert!(shown.contains(NOT_SHOWN));
            prop_assert_eq!(masked(&shown), shown);
        }
    }

    #[test]
    fn keys_of_chance_are_not_shown(key in "[A-Za-z0-9]{40}") {
        let is_commit = key.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        // Without a digit, or with words in it, it is a name to everybody.
        prop_assume!(!is_commit && key.chars().filter(char::is_ascii_digit).count() >= 3);
        prop_assert_eq!(masked(&key), NOT_SHOWN);
    }

    #[test]
    fn any_text_can_be_masked(text in "\\PC{0,80}") {
        let shown = masked(&text);
        prop_assert_eq!(masked(&shown), shown);
    }
}
