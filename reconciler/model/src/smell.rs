//! Names and forms that smell of a secret: the second net below what is marked as one, wherever values are shown.

/// Whether a field of that name probably holds a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "apikey",
        "privatekey",
        "accesskey",
        "credential",
        "authorization",
        "authtoken",
        "bearer",
        "connectionstring",
        "clientkey",
        "webhookurl",
    ];
    // A gateway's clock for the first token of a stream.
    if name == "first_token" {
        return false;
    }
    // `token` alone is looked for as a word: `max_tokens` and `tokenizer` are no secrets.
    let lower = name.to_lowercase();
    let is_token = lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "token" || word == "pat");
    let plain: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    is_token || WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a value has the form of a well-known credential.
#[must_use]
pub fn is_secret_form(text: &str) -> bool {
    const STARTS: [&str; 14] = [
        "sk-",
        "sk_live_",
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "AKIA",
        "ASIA",
        "eyJhbGciOi",
        "hvs.",
        "Bearer ",
    ];
    let text = text.trim();
    text.contains("-----BEGIN")
        || STARTS.iter().any(|start| text.starts_with(start) && text.len() > start.len() + 8)
}

/// Takes the user and password out of every URL in a text; `mark` stands in their place.
#[must_use]
pub fn without_userinfo(text: &str, mark: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(sign) => {
                clean.push_str(mark);
                &after[sign..]
            }
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_names_that_only_sound_so() {
        for name in
            ["token", "admin_token", "api_key", "DB_PASSWORD", "clientSecret", "aws_secret_access_key"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["max_tokens", "tokens", "first_token", "key", "path", "tokenizer", "desired_count"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_taken_out() {
        assert_eq!(
            without_userinfo("redis://:pw@host:1/0 and http://a.b/c@d", "(sensitive)"),
            "redis://(sensitive)@host:1/0 and http://a.b/c@d"
        );
    }
}
