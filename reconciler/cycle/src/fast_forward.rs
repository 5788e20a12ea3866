//! A new head moves the revision of every environment for which it declares what is in force: all at once, in memory.
//!
//! In: the head. Out: the states, each with the new revision. There is no rollout and no line of history, and nothing is
//! written but by the record's next write of what waits in memory: after a crash the next head is compared again.

use std::collections::BTreeMap;
use std::sync::Arc;

use moorline_model::declaration::Declaration;
use moorline_model::environment::EnvironmentState;
use moorline_model::{CommitId, EnvironmentName, Revision};
use moorline_plan::advance::fast_forward_unchanged;
use moorline_record::{StoreError, Version};

use crate::cycle::Cache;
use crate::declaration::read_declaration;
use crate::facilities::Facilities;
use crate::source_status::Head;
use crate::touched::touched;

/// Most commits in force that a head is compared with. What is in force at others is left to its own cycle.
const COMPARISONS_MAX: usize = 32;

/// Moves what may be moved, and says how many environments that were.
///
/// # Errors
/// The record could not be read.
pub async fn fast_forward_all<W: Facilities>(
    world: &W,
    cache: &Cache,
    head: &Head,
) -> Result<usize, StoreError> {
    let Ok(declaration) = &head.declaration else { return Ok(0) };
    let mut groups: Vec<_> = by_commit(world, declaration, head).await?.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.environments.len()));
    let mut moved = 0;
    for group in groups.into_iter().take(COMPARISONS_MAX) {
        // What cannot be read now is met by each environment's own cycle, which says so.
        let Ok(declaration) = read_declaration(world, cache, &group.revision.commit).await else { continue };
        let before = Head { revision: group.revision, declaration: Ok(declaration) };
        let touched = touched(world, &before, head).await;
        for (name, version) in group.environments.into_iter().filter(|(name, _)| !touched.contains(name)) {
            let change = |state: &mut EnvironmentState| fast_forward_unchanged(state, &head.revision);
            if world.amend(&name, version, change).await? {
                cache.commits.fast_forward(&name, &before.revision.commit, &head.revision);
                world.fast_forwarded(&name, &before.revision.commit, &head.revision);
                moved += 1;
            }
        }
    }
    Ok(moved)
}

/// Environments with the same commit in force.
struct Group {
    revision: Revision,
    environments: Vec<(EnvironmentName, Version)>,
}

async fn by_commit<W: Facilities>(
    world: &W,
    declaration: &Arc<Declaration>,
    head: &Head,
) -> Result<BTreeMap<CommitId, Group>, StoreError> {
    let mut groups: BTreeMap<CommitId, Group> = BTreeMap::new();
    for environment in &declaration.environments {
        let Some((state, version)) = world.load(&environment.name).await? else { continue };
        let Some(applied) = state.applied.as_ref().map(|applied| &applied.revision) else { continue };
        if applied.commit == head.revision.commit {
            continue;
        }
        let group = groups
            .entry(applied.commit.clone())
            .or_insert_with(|| Group { revision: applied.clone(), environments: Vec::new() });
        group.environments.push((environment.name.clone(), version));
    }
    Ok(groups)
}
