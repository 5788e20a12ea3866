//! First contact: what gateways served is remembered, kept, and found again when a person goes back to it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_config::Config;
use moorline_plan::adopt::record_first_contact;
use moorline_plan::decide::Decision;
use moorline_record::StoreError;

use crate::cycle::Cycle;
use crate::desired::Declared;
use crate::facilities::Facilities;
use crate::observe::Observed;
use crate::working_state::WorkingState;

impl WorkingState {
    /// Remembers what replicas serve that nobody has brought them through Moorline.
    pub(crate) fn record_first_contact<G>(
        &mut self,
        declared: &Declared,
        observed: &Observed<G>,
        now: Timestamp,
    ) {
        let may_replace = declared.current.as_ref().is_some_and(|current| current.environment.gateway.adopt);
        let contact = record_first_contact(
            &mut self.state,
            declared.documents.incoming.as_ref(),
            may_replace,
            &observed.replicas,
            now,
        );
        self.events.extend(contact.events);
        self.documents.extend(contact.documents);
    }
}

impl<W: Facilities> Cycle<'_, W> {
    /// The documents that a decision to go back to them is about, by admin URL. What is not kept any more is missing.
    pub(crate) async fn found(&self, decision: &Decision) -> Result<BTreeMap<String, Config>, StoreError> {
        let mut found = BTreeMap::new();
        let Decision::RestoreFound { documents, .. } = decision else { return Ok(found) };
        for (endpoint, digest) in documents {
            let kept = self.world.document(self.name, *digest).await?;
            if let Some(document) = kept.and_then(|kept| self.parse_kept(*digest, &kept.document)) {
                found.insert(endpoint.clone(), document);
            }
        }
        Ok(found)
    }
}
