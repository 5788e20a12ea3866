//! Gateways: each keeps a stable document and a candidate, has an owner of what it serves, answers probes and counts
//! requests, as much traffic as the world has.

use jiff::{SignedDuration, Timestamp};
use moorline_admin::{
    AdminError, Attestation, Candidate, CandidateStaged, EffectiveConfig, ErrorKind, Failure, Generation,
    Histogram, Origin, Problem, Recent, Stats, Status, Usage, Weight, WriteOptions,
};
use moorline_cycle::facilities::{Fleet, FleetError, Gateway, ProbeError, ProbeRequest, ProbeResponse};
use moorline_model::config::{Config, Digest, Percent};
use moorline_model::declaration::Environment;
use serde_json::Value;

use super::{Around, Replica, World};

/// Latencies that are counted, whatever the number of requests: 95 of 100 take 80 ms, the others 120.
const LATENCIES_US: [(u64, u32); 2] = [(80_000, 95), (120_000, 5)];

/// One gateway's admin API.
#[derive(Debug, Clone)]
pub(super) struct AdminApi {
    around: Around,
    endpoint: String,
}

impl Fleet for Around {
    type Gateway = AdminApi;

    fn gateways(&self, _environment: &Environment) -> Result<Vec<(String, AdminApi)>, FleetError> {
        let of = |replica: &Replica| {
            let endpoint = replica.endpoint.clone();
            (endpoint.clone(), AdminApi { around: self.clone(), endpoint })
        };
        Ok(self.world().replicas.iter().map(of).collect())
    }

    async fn probe(&self, request: ProbeRequest<'_>) -> Result<ProbeResponse, ProbeError> {
        let world = self.world();
        let replica = world.replicas.iter().find(|replica| replica.endpoint == request.address).unwrap();
        let pinned = request.pin.map(|pin| pin.expose().parse::<Digest>().unwrap());
        let asked = pinned.or(replica.stable.as_ref().map(|(digest, _)| *digest)).unwrap();
        let status = if world.broken.contains(&asked) { 502 } else { 200 };
        Ok(ProbeResponse { status, request: "a-request".to_owned() })
    }
}

fn refused(status: u16, kind: &str, title: &str) -> AdminError {
    AdminError::Refused {
        method: http::Method::GET,
        url: Box::new("http://gateway/admin/v1".parse().unwrap()),
        problem: Box::new(Problem::new(status, kind, title, title)),
    }
}

impl AdminApi {
    /// Does something with the replica, unless it is down.
    fn with<T>(
        &self,
        use_it: impl FnOnce(&mut Replica, Timestamp) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let mut world = self.around.world();
        let now = world.now;
        let replica = world.replicas.iter_mut().find(|replica| replica.endpoint == self.endpoint).unwrap();
        if !replica.is_up {
            return Err(refused(503, "unavailable", "Unavailable"));
        }
        use_it(replica, now)
    }

    fn keep(&self, document: &Value) -> Digest {
        let config = Config::from_value("document", document).unwrap();
        let digest = config.digest();
        self.around.world().documents.insert(digest, config);
        digest
    }
}

impl Replica {
    fn attestation(&self) -> Option<Attestation> {
        let (digest, origin) = self.stable.as_ref()?;
        Some(Attestation {
            digest: *digest,
            commit: None,
            generation: Generation(self.generation),
            since: self.since,
            origin: origin.parse().unwrap(),
            actor: None,
            reason: None,
        })
    }

    fn tried(&self, now: Timestamp) -> Option<Candidate> {
        let (digest, weight) = self.candidate?;
        let attestation = Attestation {
            digest,
            commit: None,
            generation: Generation(self.generation + 1),
            since: now,
            origin: Origin::Git,
            actor: None,
            reason: None,
        };
        Some(Candidate { attestation, weight })
    }

    fn status(&self, now: Timestamp) -> Status {
        Status {
            instance: self.endpoint.clone(),
            version: "1".to_owned(),
            started: now,
            endpoint: Some(self.endpoint.clone()),
            stable: self.attestation(),
            candidate: self.tried(now),
            rejected: Vec::new(),
            restart_required: Vec::new(),
            stale_secrets: Vec::new(),
            sources: Vec::new(),
            draining: false,
            recent: None,
        }
    }

    /// Refuses what belongs to somebody else, unless it is taken over.
    fn may(&self, options: &WriteOptions) -> Result<(), AdminError> {
        let writer = options.origin.map(Origin::as_str);
        match &self.stable {
            Some((_, owner)) if !options.take_over && Some(owner.as_str()) != writer => {
                Err(refused(409, "owned-by-another", "the document is owned by another"))
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, digest: Digest, owner: &str, now: Timestamp) {
        self.stable = Some((digest, owner.to_owned()));
        self.generation += 1;
        self.since = now;
    }
}

impl Gateway for AdminApi {
    async fn status(&self) -> Result<Status, AdminError> {
        self.with(|replica, now| Ok(replica.status(now)))
    }

    async fn status_with_recent(&self, seconds: u32) -> Result<Status, AdminError> {
        let (replica, mut status) = self.with(|replica, now| Ok((replica.clone(), replica.status(now))))?;
        if let Some(stable) = &status.stable {
            let world = self.around.world();
            let since = world.now.checked_sub(SignedDuration::from_secs(seconds.into())).unwrap();
            let total = world.stats(&replica, stable.generation, since).total;
            status.recent = Some(Recent { asked: total.asked(), faults: total.faults() });
        }
        Ok(status)
    }

    async fn config(&self) -> Result<EffectiveConfig, AdminError> {
        let attestation = self.with(|replica, _| Ok(replica.attestation().unwrap()))?;
        let world = self.around.world();
        Ok(EffectiveConfig {
            digest: attestation.digest,
            document: world.documents[&attestation.digest].value().clone(),
            attestation: Some(attestation),
            fingerprints: Default::default(),
            endpoint: None,
        })
    }

    async fn put_config(&self, document: &Value, options: &WriteOptions) -> Result<Status, AdminError> {
        let digest = self.keep(document);
        self.with(|replica, now| {
            replica.may(options)?;
            replica.put(digest, options.origin.unwrap().as_str(), now);
            Ok(replica.status(now))
        })
    }

    async fn stage(
        &self,
        document: &Value,
        weight: Weight,
        options: &WriteOptions,
    ) -> Result<CandidateStaged, AdminError> {
        let digest = self.keep(document);
        self.with(|replica, now| {
            replica.may(options)?;
            replica.candidate = Some((digest, weight));
            let candidate = replica.tried(now).unwrap();
            Ok(CandidateStaged { candidate, probe_key: digest.to_string() })
        })
    }

    async fn set_weight(&self, candidate: Digest, weight: Weight) -> Result<Candidate, AdminError> {
        self.with(|replica, now| match &mut replica.candidate {
            Some((digest, present)) if *digest == candidate => {
                *present = weight;
                Ok(replica.tried(now).unwrap())
            }
            _ => Err(refused(409, "no-candidate", "there is no such candidate")),
        })
    }

    async fn promote(&self, candidate: Digest) -> Result<Status, AdminError> {
        self.with(|replica, now| {
            if replica.candidate.is_some_and(|(digest, _)| digest == candidate) {
                replica.candidate = None;
                replica.put(candidate, "git", now);
            } else if replica.stable.as_ref().is_none_or(|(digest, _)| *digest != candidate) {
                return Err(refused(409, "no-candidate", "there is no such candidate"));
            }
            Ok(replica.status(now))
        })
    }

    async fn discard(&self) -> Result<Status, AdminError> {
        self.with(|replica, now| {
            replica.candidate = None;
            Ok(replica.status(now))
        })
    }

    async fn stats(&self, generation: Generation, since: Option<Timestamp>) -> Result<Stats, AdminError> {
        let replica = self.with(|replica, _| Ok(replica.clone()))?;
        Ok(self.around.world().stats(&replica, generation, since.unwrap()))
    }

    async fn failure(&self, _request: &str) -> Result<Option<Failure>, AdminError> {
        Ok(None)
    }
}

impl World {
    /// What one document counted on one replica: its share of the traffic, which all replicas that are up share alike.
    fn stats(&self, replica: &Replica, generation: Generation, since: Timestamp) -> Stats {
        let weight = replica.candidate.map_or(Percent::ZERO, |(_, weight)| weight).as_fraction();
        let (digest, share) = match &replica.candidate {
            Some((digest, _)) if generation.0 == replica.generation + 1 => (*digest, weight),
            _ => (replica.stable.as_ref().unwrap().0, 1.0 - weight),
        };
        let seconds = self.now.duration_since(since).as_secs_f64();
        let up = self.replicas.iter().filter(|replica| replica.is_up).count() as f64;
        let requests = (seconds * self.traffic_per_second as f64 * share / up).round() as u64;
        let mut usage = Usage { requests, ..Usage::default() };
        if requests > 0 {
            usage.latency = latency();
        }
        if self.sick.contains(&digest) {
            usage.errors.insert(ErrorKind::UpstreamFailed, requests / 2);
        }
        Stats {
            generation,
            since,
            until: self.now,
            models: [("gpt-4o".to_owned(), usage.clone())].into(),
            total: usage,
            routes: Default::default(),
            authentication: Default::default(),
            shadows: Default::default(),
        }
    }
}

fn latency() -> Histogram {
    let mut latency = Histogram::default();
    for (micros, count) in LATENCIES_US {
        (0..count).for_each(|_| latency.record(micros));
    }
    latency
}
