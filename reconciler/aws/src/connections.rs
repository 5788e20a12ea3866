//! Connections to AWS that are kept from one look to the next, with their clients and credentials: one for each region and
//! address, whichever environments declare it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_config::ConfigLoader;
use moorline_model::declaration;
use moorline_model::drift::{DriftKind, Finding};

use crate::aws::{Aws, loader};
use crate::managed::Managed;

/// Most connections that are kept.
const KEPT_MAX: usize = 64;

/// Connections by region and address.
pub struct Connections {
    settings: fn(&declaration::Aws) -> ConfigLoader,
    kept: Mutex<BTreeMap<(String, Option<String>), Aws>>,
}

impl Default for Connections {
    fn default() -> Self {
        Self::through(loader)
    }
}

impl Connections {
    /// Connects with other settings, for tests.
    #[must_use]
    pub fn through(settings: fn(&declaration::Aws) -> ConfigLoader) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// [`Aws::findings`]. Where something could not be read, the next look connects anew: credentials may have been
    /// replaced meanwhile.
    pub async fn findings(&self, declared: &declaration::Aws, managed: &Managed) -> Vec<Finding> {
        let findings = self.connected(declared).await.findings(managed).await;
        if findings.iter().any(|finding| finding.kind == DriftKind::Unverifiable) {
            self.kept().remove(&place(declared));
        }
        findings
    }

    async fn connected(&self, declared: &declaration::Aws) -> Aws {
        if let Some(aws) = self.kept().get(&place(declared)) {
            return aws.clone();
        }
        let aws = Aws::with((self.settings)(declared).load().await);
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(place(declared), aws.clone());
        aws
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<(String, Option<String>), Aws>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(declared: &declaration::Aws) -> (String, Option<String>) {
    (declared.region.clone(), declared.endpoint_url.clone())
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connections").field("kept", &self.kept().len()).finish_non_exhaustive()
    }
}
