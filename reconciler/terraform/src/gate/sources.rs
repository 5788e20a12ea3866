//! Providers and modules: what a source means, and whether it is allowed.

use std::path::{Component, Path, PathBuf};

/// The provider that every Terraform has built in.
pub(super) const BUILT_IN: &str = "terraform.io/builtin/terraform";

/// A provider's full name: `aws` is `hashicorp/aws`, and the public registries go without saying.
pub(super) fn provider(source: &str) -> String {
    let source = source.to_lowercase();
    let short = ["registry.terraform.io/", "registry.opentofu.org/"]
        .iter()
        .find_map(|host| source.strip_prefix(host))
        .unwrap_or(&source);
    if short.contains('/') { short.to_owned() } else { format!("hashicorp/{short}") }
}

/// Whether a provider is allowed.
pub(super) fn is_provider_allowed(name: &str, allowed: &[String]) -> bool {
    name == BUILT_IN || allowed.iter().any(|entry| provider(entry) == name)
}

/// Whether a source leads into the same repository or package.
pub(super) fn is_local(source: &str) -> bool {
    source.starts_with("./") || source.starts_with("../")
}

/// Whether a module from elsewhere is allowed: named exactly, or below a prefix that ends in `/`.
pub(super) fn is_remote_allowed(source: &str, allowed: &[String]) -> bool {
    // Go's fetcher reads options and commands out of odd sources; those are for nobody to allow by prefix.
    let is_plain = !source.starts_with('-')
        && !source.contains("..")
        && source.chars().all(|c| c.is_ascii_graphic() && !"\\`'\"<>|^".contains(c));
    let matches = |entry: &String| {
        *entry == source || (entry.ends_with('/') && !is_local(entry) && source.starts_with(entry.as_str()))
    };
    is_plain && !source.starts_with('/') && allowed.iter().any(matches)
}

/// Whether a folder of the repository may be called as a module. Entries begin with `./` and count from the
/// environment's folder or from the repository's root.
pub(super) fn is_local_allowed(folder: &Path, root: &Path, directory: &Path, allowed: &[String]) -> bool {
    allowed.iter().filter(|entry| is_local(entry) || *entry == ".").any(|entry| {
        [directory, root]
            .iter()
            .filter_map(|base| normal(&base.join(entry)))
            .any(|allowed| allowed.starts_with(root) && folder.starts_with(allowed))
    })
}

/// A path without `.` and `..`, from its words alone; `None` when it leaves the file system's root.
pub(super) fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn providers_are_compared_by_their_full_names() {
        let allowed = list(&["hashicorp/aws", "registry.terraform.io/Moorline/Moorline", "example.com/a/b"]);
        for source in
            ["aws", "registry.opentofu.org/hashicorp/AWS", "moorline/moorline", "example.com/a/b", BUILT_IN]
        {
            assert!(is_provider_allowed(&provider(source), &allowed), "{source}");
        }
        for source in ["a/b", "evil/aws", "example.com/hashicorp/aws", "external"] {
            assert!(!is_provider_allowed(&provider(source), &allowed), "{source}");
        }
    }

    #[test]
    fn a_prefix_of_modules_cannot_be_left() {
        let allowed = list(&["git::https://github.com/acme/", "hashicorp/consul/aws", "./"]);
        for source in ["git::https://github.com/acme/net?ref=v1", "hashicorp/consul/aws"] {
            assert!(is_remote_allowed(source, &allowed), "{source}");
        }
        for source in [
            "git::https://github.com/acme/../evil",
            "git::https://github.com/acme-evil/x",
            "git::https://github.com/acme/x --upload-pack=y",
            "hashicorp/consul/aws2",
            "/etc",
            "-x",
        ] {
            assert!(!is_remote_allowed(source, &allowed), "{source}");
        }
    }

    #[test]
    fn local_modules_count_from_the_environment_or_the_root() {
        let (root, directory) = (Path::new("/r"), Path::new("/r/infra"));
        let is_allowed = |folder: &str, entries: &[&str]| {
            is_local_allowed(Path::new(folder), root, directory, &list(entries))
        };
        assert!(is_allowed("/r/infra/modules/a", &["./modules"]));
        assert!(is_allowed("/r/modules/a", &["./modules/"]));
        assert!(is_allowed("/r/shared", &["./"]));
        assert!(!is_allowed("/r/shared", &["./modules", "hashicorp/x/y"]));
        assert!(!is_allowed("/r/modules-evil", &["./modules"]));
        assert!(!is_allowed("/other", &["../../"]));
    }
}
