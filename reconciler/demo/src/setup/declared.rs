//! The files of the demo's repository: `examples/deploy`, the module and the policies, with the addresses of this
//! run in place of the written ones.

use crate::repository::Files;

/// Addresses and names that are known only once the demo's parts run.
pub(super) struct Addresses {
    /// Admin URLs of the gateways.
    pub(super) gateways: Vec<String>,
    /// Address of the provider.
    pub(super) provider: String,
    /// Path of Terraform's state.
    pub(super) state: String,
    /// SHA-256 of the callers' key.
    pub(super) caller_sha256: String,
}

macro_rules! files {
    ($($path:literal <- $source:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../../../", $source)))),+]
    };
}

/// Where each file goes in the demo's repository, and where it comes from in ours.
const FILES: [(&str, &str); 9] = files![
    "moorline.yaml" <- "examples/deploy/moorline.yaml",
    "infra/main.tf" <- "examples/deploy/infra/main.tf",
    "infra/modules/ai-gateway/main.tf" <- "infra/modules/ai-gateway/main.tf",
    "infra/modules/ai-gateway/outputs.tf" <- "infra/modules/ai-gateway/outputs.tf",
    "infra/modules/ai-gateway/variables.tf" <- "infra/modules/ai-gateway/variables.tf",
    "infra/modules/ai-gateway/versions.tf" <- "infra/modules/ai-gateway/versions.tf",
    "policies/limits.rego" <- "policies/limits.rego",
    "policies/protected.rego" <- "policies/protected.rego",
    "policies/providers.rego" <- "policies/providers.rego",
];

/// The key's hash as the example has it: a placeholder that no key has.
const PLACEHOLDER_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The repository's files.
pub(super) fn files(addresses: &Addresses) -> Files {
    let mut replaced = vec![
        ("127.0.0.1:8000", addresses.provider.as_str()),
        ("/tmp/moorline-demo/terraform.tfstate", addresses.state.as_str()),
        (PLACEHOLDER_SHA256, addresses.caller_sha256.as_str()),
    ];
    let written = ["http://127.0.0.1:8788", "http://127.0.0.1:8798"];
    replaced.extend(written.into_iter().zip(addresses.gateways.iter().map(String::as_str)));
    let replace = |text: &str| {
        replaced.iter().fold(text.to_owned(), |text, (written, real)| text.replace(written, real))
    };
    FILES.iter().map(|(path, text)| ((*path).to_owned(), replace(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid_and_every_placeholder_is_replaced() {
        let files = files(&Addresses {
            gateways: vec!["http://127.0.0.1:1".to_owned(), "http://127.0.0.1:2".to_owned()],
            provider: "127.0.0.1:3".to_owned(),
            state: "/x/state".to_owned(),
            caller_sha256: "ab".repeat(32),
        });
        let declaration = &files["moorline.yaml"];
        moorline_model::declaration::Declaration::parse("moorline.yaml", declaration).unwrap();
        let all: String = files.values().map(String::as_str).collect();
        for placeholder in ["127.0.0.1:8000", ":8788", ":8798", "/tmp/moorline-demo", PLACEHOLDER_SHA256] {
            assert!(!all.contains(placeholder), "{placeholder}");
        }
    }
}
