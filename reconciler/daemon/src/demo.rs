//! stub
pub async fn run(_: &crate::cli::DemoArguments) -> crate::cli::Exit { crate::cli::Exit::Done }
