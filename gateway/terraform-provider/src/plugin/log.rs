//! Logging to standard error in the form Terraform sorts by level: a line that begins with `[LEVEL]`. Off unless
//! `TF_LOG` or `TF_LOG_PROVIDER` says otherwise, as Terraform's own logging is.
//!
//! Only our own crates speak: at TRACE the HTTP libraries write headers and frames, and with them tokens.

use std::fmt;

use tracing::{Event, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

/// Starts logging at the level the environment names.
pub fn start(variable: impl Fn(&str) -> Option<String>) {
    let asked = variable("TF_LOG_PROVIDER").or_else(|| variable("TF_LOG"));
    let level = level(asked.as_deref().unwrap_or("OFF"));
    let ours = Targets::new()
        .with_target("terraform_provider_moorline", level)
        .with_target("moorline_admin", level)
        .with_target("moorline_config", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(Line);
    let subscriber = tracing_subscriber::registry().with(ours).with(lines);
    // A second start (only tests do that) keeps the first.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// A level as `TF_LOG` names it. `JSON` is Terraform's word for "everything, as JSON".
fn level(name: &str) -> LevelFilter {
    match name.to_ascii_uppercase().as_str() {
        "TRACE" | "JSON" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" => LevelFilter::WARN,
        "ERROR" => LevelFilter::ERROR,
        "OFF" | "" => LevelFilter::OFF,
        // Terraform takes an unknown word for TRACE; that would be loud for a slip of the pen, so INFO.
        _ => LevelFilter::INFO,
    }
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        write!(writer, "[{}] {}: ", metadata.level(), metadata.target())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_terraforms_and_silence_is_the_default() {
        assert_eq!(level(""), LevelFilter::OFF);
        assert_eq!(level("debug"), LevelFilter::DEBUG);
        assert_eq!(level("JSON"), LevelFilter::TRACE);
    }
}
