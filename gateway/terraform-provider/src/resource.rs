//! What a managed resource type is to the provider: six questions, asked with plain values.

use async_trait::async_trait;

use crate::connection::Connection;
use crate::protocol::Diagnostic;
use crate::schema::Schema;
use crate::value::Value;

/// What is wrong; never empty when returned as an error.
pub type Diagnostics = Vec<Diagnostic>;

/// A change Terraform asks about.
#[derive(Debug, Clone)]
pub struct Change {
    /// As it is; `None` to create.
    pub prior: Option<Value>,
    /// As it is written, with unknowns.
    pub config: Value,
    /// As Terraform would have it (to plan), or as it was planned (to apply).
    pub next: Value,
}

/// What an applied change came to.
#[derive(Debug, Clone)]
pub struct Applied {
    /// As it is now.
    pub state: Value,
    /// What a person should know although it worked.
    pub warnings: Diagnostics,
}

/// A managed resource type. Values have exactly the attributes of [`Resource::schema`].
#[async_trait]
pub trait Resource: Send + Sync {
    /// Its schema.
    fn schema(&self) -> Schema;

    /// Everything wrong with a block, warnings included. Unknown values are right.
    fn validate(&self, config: &Value) -> Diagnostics;

    /// What a change would come to. Touches nothing.
    ///
    /// # Errors
    /// What makes the change impossible.
    fn plan(&self, change: &Change) -> Result<Value, Diagnostics>;

    /// Makes a planned change.
    ///
    /// # Errors
    /// What stopped it; then nothing was changed.
    async fn apply(&self, change: &Change, connection: &Connection) -> Result<Applied, Diagnostics>;

    /// Takes the resource away.
    ///
    /// # Errors
    /// What stopped it; then nothing was changed.
    async fn delete(&self, prior: &Value, connection: &Connection) -> Result<(), Diagnostics>;

    /// The resource as it is, in the form in which `state` has it; `None` when it is certainly gone.
    ///
    /// # Errors
    /// What could not be read. What cannot be read is never gone.
    async fn read(&self, state: &Value, connection: &Connection) -> Result<Option<Value>, Diagnostics>;

    /// The least state from which [`Resource::read`] fills in the rest.
    ///
    /// # Errors
    /// Why there is nothing to import by that id.
    fn import(&self, id: &str) -> Result<Value, Diagnostics>;
}
