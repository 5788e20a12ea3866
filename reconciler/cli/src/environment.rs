//! Commands about a running daemon: `status drift history why sync approve rollback hold release`.

mod act;
mod ending;
mod status;
mod wording;

#[cfg(test)]
mod sample;

use moorline_api::Client;
use moorline_model::EnvironmentName;

use super::api::{self, ApiError};
use super::{EnvironmentArguments, Exit, Output, output};
pub(super) use act::{Requested, act};
pub(super) use status::status;

/// `moorline drift`: every finding, with who and since when.
pub(super) async fn drift(arguments: &EnvironmentArguments, format: Output) -> Exit {
    let view = match read(arguments, async |client, name| client.drift(name).await).await {
        Ok(view) => view,
        Err(error) => return error.report(),
    };
    match format {
        Output::Json => output::json(&view),
        Output::Text => {
            view.drift.iter().for_each(|drift| output::line(wording::finding(drift)));
            view.lanes.iter().for_each(|lane| output::line(wording::lane(lane)));
        }
    }
    output::say(&view.answer.sentence);
    wording::look_again(&view.lanes, &arguments.environment).iter().for_each(output::say);
    view.answer.exit_code
}

/// `moorline history`: what happened, newest first.
pub(super) async fn history(arguments: &EnvironmentArguments, limit: usize, format: Output) -> Exit {
    let answer = match read(arguments, async |client, name| client.history(name, limit).await).await {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    match format {
        Output::Json => output::json(&answer),
        Output::Text => {
            for line in &answer.events {
                let at = wording::time(line.event.at);
                let message = wording::indented(&line.event.message, at.len() + 10);
                output::line(format!("{at} {:<8} {message}", wording::named(&line.event.kind)));
            }
        }
    }
    Exit::Done
}

/// `moorline why`: who must do what, whether callers are affected, then the gates. It exits as `status` does.
pub(super) async fn why(arguments: &EnvironmentArguments, format: Output) -> Exit {
    let answer = match read(arguments, async |client, name| client.why(name).await).await {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    match format {
        Output::Json => output::json(&answer),
        Output::Text => wording::why(&answer).iter().for_each(output::line),
    }
    answer.status.exit_code
}

/// Asks the daemon one thing about the environment.
async fn read<T>(
    arguments: &EnvironmentArguments,
    ask: impl AsyncFnOnce(&Client, &EnvironmentName) -> Result<T, moorline_api::ClientError>,
) -> Result<T, ApiError> {
    let client = api::client(&arguments.server)?;
    Ok(ask(&client, &arguments.environment).await?)
}
