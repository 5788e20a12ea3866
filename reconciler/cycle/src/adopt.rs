//! First contact: what gateways served is remembered, kept, and found again when a person goes back to it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_config::Config;
use moorline_plan::adopt::meet;
use moorline_plan::decide::Decision;
use moorline_record::StoreError;

use crate::cycle::Cycle;
use crate::desired::Wanted;
use crate::facilities::Facilities;
use crate::memory::Memory;
use crate::observe::Live;

impl Memory {
    /// Remembers what replicas serve that nobody has brought them through Moorline.
    pub(crate) fn meet<G>(&mut self, wanted: &Wanted, live: &Live<G>, now: Timestamp) {
        let may = wanted.current.as_ref().is_some_and(|current| current.environment.gateway.adopt);
        let met = meet(&mut self.state, wanted.brought.as_ref(), may, &live.replicas, now);
        self.events.extend(met.events);
        self.documents.extend(met.documents);
    }
}

impl<W: Facilities> Cycle<'_, W> {
    /// The documents that a decision to go back to them is about, by admin URL. What is not kept any more is missing.
    pub(crate) async fn found(&self, decision: &Decision) -> Result<BTreeMap<String, Config>, StoreError> {
        let mut found = BTreeMap::new();
        let Decision::Restore { documents, .. } = decision else { return Ok(found) };
        for (endpoint, digest) in documents {
            let kept = self.world.document(self.name, *digest).await?;
            if let Some(document) = kept.and_then(|kept| self.parse_kept(*digest, &kept.document)) {
                found.insert(endpoint.clone(), document);
            }
        }
        Ok(found)
    }
}
