//! The admin API of the real binary, over real sockets, mostly through the typed client.

#[cfg(test)]
mod canaries;
#[cfg(test)]
mod census;
#[cfg(test)]
#[path = "../data/certificates.rs"]
mod certificates;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod observing;
mod openapi;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod slow_sockets;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod vault;
