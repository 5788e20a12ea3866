//! `moorline init`: a declaration and a gateway document to begin with.

use std::io::Write;
use std::path::Path;

use super::super::{Exit, output};

const FILES: [(&str, &str); 2] = [
    ("moorline.yaml", include_str!("init/moorline.yaml")),
    ("gateway.yaml", include_str!("init/gateway.yaml")),
];

/// Writes the files that are not there yet; what is there is left alone.
pub(in super::super) fn init(directory: &Path) -> Exit {
    for (name, text) in FILES {
        let path = directory.join(name);
        let created = std::fs::File::options().write(true).create_new(true).open(&path);
        let written = created.and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => output::line(format!("wrote {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                output::say(format!("{} is already there and was left alone.", path.display()));
            }
            Err(error) => {
                output::say(format!("error: {} cannot be written: {error}", path.display()));
                return Exit::Error;
            }
        }
    }
    output::say("Next: put your gateways' addresses into moorline.yaml, then run `moorline validate`.");
    Exit::Done
}
