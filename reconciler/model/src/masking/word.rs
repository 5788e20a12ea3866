//! Single words that are secrets by their looks: a known beginning, or letters and digits that nobody would think of.

/// What credentials of well-known services begin with.
const STARTS: [&str; 21] = [
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJhbGciOi",
    "hvs.",
    "hvb.",
];
/// Beginnings that other words have too: these need a digit, or capitals within.
const WEAK_STARTS: [&str; 8] = ["hf_", "gsk_", "xai-", "pplx-", "nvapi-", "npm_", "pypi-", "eyJ"];
/// Characters after a beginning from which on it is a credential.
const BODY_MIN: usize = 9;
/// Letters and digits in a row that are looked at for chance.
const RUN_MIN: usize = 20;
/// The same for what has signs of Base64 between them.
const WORD_MIN: usize = 32;
/// Hexadecimal digits from which on they are a key: an abbreviated commit has fewer.
const HEX_MIN: usize = 32;
/// Hexadecimal digits of a commit's id.
const COMMIT_LENGTH: usize = 40;

/// Whether a character can stand in a credential.
pub(super) const fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.')
}

/// Whether a word begins like a credential of a well-known service.
pub(super) fn is_credential(word: &str) -> bool {
    let body = |start: &str| word.strip_prefix(start).filter(|body| body.len() >= BODY_MIN);
    let is_known = STARTS.iter().any(|start| body(start).is_some());
    let is_weak = || WEAK_STARTS.iter().any(|start| body(start).is_some_and(|body| !is_plain(body)));
    is_known || is_weak()
}

/// Whether it could be a word of a language: letters, capitals at the beginning or everywhere.
pub(super) fn is_plain(word: &str) -> bool {
    let letters = word.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | '-' | '.' | '/' | '\''));
    let tail = || word.chars().skip(1);
    letters && (tail().all(|c| !c.is_uppercase()) || word.chars().all(|c| !c.is_lowercase()))
}

/// Whether letters and digits in a row are a key. A commit's id is none.
pub(super) fn is_key(run: &str) -> bool {
    if run.chars().all(|c| c.is_ascii_hexdigit()) {
        return run.len() >= HEX_MIN && !is_commit(run);
    }
    run.len() >= RUN_MIN && has_digit(run) && is_chance(run)
}

/// Whether a word of letters, digits and the signs of Base64 is a key: few signs, so that names with hyphens and paths
/// are none.
pub(super) fn is_base64_key(word: &str) -> bool {
    let letters = word.chars().filter(char::is_ascii_alphanumeric).count();
    word.len() >= WORD_MIN
        && (word.len() - letters) * 12 <= word.len()
        && has_digit(word)
        && word.contains(|c: char| c.is_ascii_lowercase())
        && word.contains(|c: char| c.is_ascii_uppercase())
        && is_chance(word)
}

/// Whether a part of an address is a token: there a long one with digits is enough.
pub(super) fn is_address_token(part: &str) -> bool {
    part.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        run.len() >= RUN_MIN
            && has_digit(run)
            && run.contains(|c: char| c.is_ascii_alphabetic())
            && !is_commit(run)
    })
}

/// Whether it is a commit's id, which is no secret.
fn is_commit(run: &str) -> bool {
    run.len() == COMMIT_LENGTH && run.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn has_digit(run: &str) -> bool {
    run.contains(|c: char| c.is_ascii_digit())
}

/// Whether capitals, small letters and digits change as often as chance has it. In names, words are longer.
fn is_chance(word: &str) -> bool {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Sign,
        Digit,
        Small,
        Capital,
    }
    let mut pieces = 0;
    let mut letters = 0;
    let mut before = (Kind::Sign, Kind::Sign);
    for c in word.chars() {
        let kind = match c {
            '0'..='9' => Kind::Digit,
            'a'..='z' => Kind::Small,
            'A'..='Z' => Kind::Capital,
            _ => Kind::Sign,
        };
        letters += usize::from(kind != Kind::Sign);
        // `StatusWord` is one piece, `ABCd` two.
        let goes_on = kind == before.1
            || (before.1 == Kind::Capital && kind == Kind::Small && before.0 != Kind::Capital);
        pieces += usize::from(!goes_on && kind != Kind::Sign);
        before = (before.1, kind);
    }
    pieces * 7 >= letters * 2
}
