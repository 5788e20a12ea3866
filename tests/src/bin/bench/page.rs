//! `docs/benchmarks.md`: each table between two markers of its own, the prose around them a person's.

use std::process::Command;

/// Where the tables go.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

/// Puts a table into its place.
pub(crate) fn write(name: &str, table: &str) {
    let begin = format!("<!-- written by `make bench`: {name}; edits between these two lines are lost -->");
    let end = format!("<!-- end of {name} -->");
    let text = std::fs::read_to_string(PAGE).unwrap_or_default();
    let generated = format!("{begin}\n\n{table}\n{end}");
    let text = match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) => format!("{}{generated}{}", &text[..from], &text[to + end.len()..]),
        _ => format!("{text}\n{generated}\n"),
    };
    std::fs::write(PAGE, text).unwrap();
}

/// What it was measured on: machine, commit, build, day, command.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit = output_of("git", &["describe", "--always", "--dirty", "--abbrev=10"]);
    let day = output_of("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    // Cargo names the folder after the profile.
    let profile = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()));
    format!(
        "Measured {day} at commit {commit} on {cores} cores ({model}), Linux {}, profile `{}`, by `make bench`.\n",
        kernel.trim(),
        profile.unwrap_or_default(),
    )
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
