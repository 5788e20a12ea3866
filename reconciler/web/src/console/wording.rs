//! How words, ages and commits look: always a shape and a word, never a colour alone.

use jiff::Timestamp;
use moorline_model::condition::ConditionStatus;
use moorline_model::status::StatusWord;

use super::html::Html;

/// The one word, with since when it holds.
pub(super) fn word(html: &mut Html, word: StatusWord, since: Option<Timestamp>, now: Timestamp) {
    let (class, shape) = match word {
        StatusWord::InSync => ("good", "●"),
        StatusWord::Drifted => ("attention", "◆"),
        StatusWord::Applying => ("busy", "▶"),
        StatusWord::Verifying => ("busy", "◐"),
        StatusWord::Held => ("attention", "■"),
        StatusWord::Failed => ("bad", "✖"),
        StatusWord::CannotCheck => ("unknown", "?"),
    };
    mark(html, class, shape, word.as_str());
    if let Some(since) = since {
        html.raw(" <span class=\"age\">for ");
        span(html, since, now);
        html.raw("</span>");
    }
}

/// A condition's status.
pub(super) fn condition_status(html: &mut Html, status: ConditionStatus) {
    let (class, shape, word) = match status {
        ConditionStatus::Unknown => ("unknown", "○", "not checked yet"),
        ConditionStatus::Good => ("good", "●", "good"),
        ConditionStatus::Busy => ("busy", "▶", "under way"),
        ConditionStatus::Attention => ("attention", "◆", "attention"),
        ConditionStatus::Bad => ("bad", "✖", "bad"),
        ConditionStatus::CannotCheck => ("unknown", "?", "cannot check"),
    };
    mark(html, class, shape, word);
}

fn mark(html: &mut Html, class: &'static str, shape: &'static str, word: &'static str) {
    html.raw("<span class=\"mark ").raw(class).raw("\"><span aria-hidden=\"true\">").raw(shape);
    html.raw("</span> ").raw(word).raw("</span>");
}

/// `3 min ago`, with the exact time on hover.
pub(super) fn ago(html: &mut Html, then: Timestamp, now: Timestamp) {
    span(html, then, now);
    html.raw(" ago");
}

/// `3 min`, with the exact time on hover.
pub(super) fn span(html: &mut Html, then: Timestamp, now: Timestamp) {
    html.raw("<time data-age datetime=\"").text(then).raw("\" title=\"").text(exact(then)).raw("\">");
    html.text(age(then, now)).raw("</time>");
}

/// A moment as people write it.
pub(super) fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The first digits of a commit, or a dash.
pub(super) fn commit(html: &mut Html, commit: Option<&str>) {
    match commit {
        Some(commit) => {
            let digits: String = commit.chars().take(10).collect();
            html.raw("<code title=\"").text(commit).raw("\">").text(digits).raw("</code>")
        }
        None => html.raw("<span class=\"none\">none</span>"),
    };
}

/// The time between two moments in its largest unit. `assets/live.js` counts on in the same words.
fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - then.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_in_its_largest_unit_and_never_lies_in_the_future() {
        let age = |seconds: i64| age(Timestamp::UNIX_EPOCH, Timestamp::from_second(seconds).unwrap());
        assert_eq!(
            [-5, 59, 60, 3_599, 3_600, 172_800].map(age),
            ["0 s", "59 s", "1 min", "59 min", "1 h", "2 days"]
        );
    }
}
