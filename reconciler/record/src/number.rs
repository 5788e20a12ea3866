//! Numbers the record gives out, each its own type.

macro_rules! number_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            // Databases count in signed 64 bits. Numbers start at 0 and grow by one, so none reaches the sign.
            pub(crate) fn to_sql(self) -> i64 {
                i64::try_from(self.0).unwrap_or(i64::MAX)
            }

            pub(crate) fn from_sql(number: i64) -> Self {
                Self(u64::try_from(number).unwrap_or(0))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

number_type! {
    /// Proof of leadership: the higher number is the newer leader, and only the newest may write.
    Fence
}
number_type! {
    /// How often an environment's state was committed. 0: never.
    Version
}
number_type! {
    /// One step in the journal.
    JournalId
}
number_type! {
    /// One intent of a person.
    IntentId
}
number_type! {
    /// Place of an event or audit entry in its row; grows without end.
    Sequence
}
number_type! {
    /// One message on one channel.
    OutboxId
}
