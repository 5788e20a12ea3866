//! Models and their targets, and the order in which targets are tried.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use moorline_config::document::{self, Strategy};
use moorline_config::{ModelName, ProviderName};

use super::way::Ways;
use super::{ModelIndex, Price, Upstream};

/// One upstream model of one provider.
#[derive(Debug)]
pub struct Target {
    /// Where it is.
    pub upstream: Arc<Upstream>,
    /// Its name there.
    pub model: ModelName,
    /// What it costs; nothing when no price is declared.
    pub price: Option<Price>,
    /// How it serves each operation.
    pub ways: Ways,
    weight: u32,
}

/// A model as callers name it.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub name: ModelName,
    /// Models to try when every target failed.
    pub fallback: Vec<ModelIndex>,
    targets: Vec<Target>,
    order: Order,
}

/// How targets are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As they stand.
    Fixed,
    /// By lot, in proportion to the weights.
    Lots,
}

impl Model {
    pub(super) fn compile(
        name: &ModelName,
        model: &document::Model,
        upstreams: &BTreeMap<&ProviderName, Arc<Upstream>>,
        by_name: &HashMap<ModelName, ModelIndex>,
    ) -> Self {
        let price_of_model = model.price.as_ref().map(Price::compile);
        let targets: Vec<Target> = model
            .targets
            .iter()
            .filter_map(|target| {
                let upstream = Arc::clone(upstreams.get(&target.provider)?);
                Some(Target {
                    ways: upstream.ways(target.model.as_str()),
                    upstream,
                    model: target.model.clone(),
                    price: target.price.as_ref().map(Price::compile).or(price_of_model),
                    weight: target.weight,
                })
            })
            .collect();
        let order = match model.strategy {
            Strategy::Weighted => Order::Lots,
            // The others go by what is not measured yet: checking a document refuses them before it comes here.
            Strategy::Priority | Strategy::Cheapest | Strategy::Fastest | Strategy::LeastBusy => Order::Fixed,
        };
        let fallback = model.fallback.iter().filter_map(|name| by_name.get(name).copied()).collect();
        Self { name: name.clone(), fallback, targets, order }
    }

    /// The targets in the order to try them. `die` gives a number below its argument, evenly.
    pub fn in_order(&self, mut die: impl FnMut(u64) -> u64) -> Vec<&Target> {
        let mut left: Vec<&Target> = self.targets.iter().collect();
        if self.order == Order::Fixed || left.len() < 2 {
            return left;
        }
        // Weight 0 asks for no traffic: such a target is tried only after the others.
        let mut ordered = Vec::with_capacity(left.len());
        loop {
            let sum: u64 = left.iter().map(|target| u64::from(target.weight)).sum();
            if sum == 0 {
                ordered.append(&mut left);
                return ordered;
            }
            let mut lot = die(sum);
            let drawn = left.iter().position(|target| {
                let weight = u64::from(target.weight);
                let hit = lot < weight;
                lot = lot.saturating_sub(weight);
                hit
            });
            ordered.push(left.remove(drawn.unwrap_or(0)));
        }
    }

    /// The price to estimate by before a target is chosen: the dearest.
    #[must_use]
    pub fn price_estimate(&self) -> Option<Price> {
        self.targets.iter().filter_map(|target| target.price).max_by_key(|price| price.rank())
    }
}
