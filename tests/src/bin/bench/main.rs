//! Measured figures, side by side: how fast a push is in force, and what the gateway adds to a request.
//!
//! `make bench` runs this with release builds, prints the tables and writes them into `docs/benchmarks.md`, between its
//! two markers. Nothing here fails for being slow: machines differ.

#![expect(clippy::unwrap_used, reason = "a figure that cannot be measured is reported by how it failed")]
#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod figures;
mod line;
mod load;

use std::path::Path;

/// Where the tables go.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
const BEGIN: &str = "<!-- written by `make bench`; edits between these two lines are lost -->";
const END: &str = "<!-- end of what `make bench` writes -->";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let tables = runtime.block_on(async {
        let line = Box::pin(line::measure()).await;
        let gateway = Box::pin(load::measure()).await;
        format!("{}\n{line}\n{gateway}", machine())
    });
    println!("{tables}");
    write(Path::new(PAGE), &tables);
}

/// What it was measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| model);
    let build = if cfg!(debug_assertions) { "debug builds (not what to judge by)" } else { "release builds" };
    format!(
        "Measured on {cores} cores ({}), {build}; everything runs on this one machine.\n",
        model.unwrap_or("unknown")
    )
}

fn write(page: &Path, tables: &str) {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let generated = format!("{BEGIN}\n\n{tables}\n{END}");
    let text = match (text.find(BEGIN), text.find(END)) {
        (Some(begin), Some(end)) => format!("{}{generated}{}", &text[..begin], &text[end + END.len()..]),
        _ => format!("{text}{generated}\n"),
    };
    std::fs::write(page, text).unwrap();
}
