//! Diagnostics: how a provider tells a person what is wrong, and at which attribute.

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Severity {
    /// Not to be sent.
    Invalid = 0,
    /// The operation fails.
    Error = 1,
    /// The operation goes on.
    Warning = 2,
}

/// One message to a person.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Diagnostic {
    /// How bad it is.
    #[prost(enumeration = "Severity", tag = "1")]
    pub severity: i32,
    /// In a few words.
    #[prost(string, tag = "2")]
    pub summary: String,
    /// What happened and what to do.
    #[prost(string, tag = "3")]
    pub detail: String,
    /// The attribute it is about.
    #[prost(message, optional, tag = "4")]
    pub attribute: Option<AttributePath>,
}

impl Diagnostic {
    /// An error about no attribute in particular.
    #[must_use]
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error.into(),
            summary: summary.into(),
            detail: detail.into(),
            attribute: None,
        }
    }

    /// A warning about no attribute in particular.
    #[must_use]
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning.into(), ..Self::error(summary, detail) }
    }

    /// The same, about an attribute.
    #[must_use]
    pub fn at(mut self, path: AttributePath) -> Self {
        self.attribute = Some(path);
        self
    }

    /// Whether the operation fails.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == i32::from(Severity::Error)
    }
}

/// The way to an attribute from the top of a resource.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttributePath {
    /// Steps downwards.
    #[prost(message, repeated, tag = "1")]
    pub steps: Vec<Step>,
}

impl AttributePath {
    /// A path of one attribute (or block) of the resource itself.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::default().then(Selector::AttributeName(name.to_owned()))
    }

    /// An attribute below.
    #[must_use]
    pub fn attribute(self, name: &str) -> Self {
        self.then(Selector::AttributeName(name.to_owned()))
    }

    /// A list's element below.
    #[must_use]
    pub fn index(self, index: usize) -> Self {
        self.then(Selector::ElementKeyInt(i64::try_from(index).unwrap_or(i64::MAX)))
    }

    /// A map's element below.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.then(Selector::ElementKeyString(key.to_owned()))
    }

    fn then(mut self, selector: Selector) -> Self {
        self.steps.push(Step { selector: Some(selector) });
        self
    }
}

impl std::fmt::Display for AttributePath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match &step.selector {
                Some(Selector::AttributeName(name)) if index == 0 => formatter.write_str(name)?,
                Some(Selector::AttributeName(name)) => write!(formatter, ".{name}")?,
                Some(Selector::ElementKeyString(key)) => write!(formatter, "[{key:?}]")?,
                Some(Selector::ElementKeyInt(at)) => write!(formatter, "[{at}]")?,
                None => {}
            }
        }
        Ok(())
    }
}

/// One step of a path.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Step {
    /// Where it goes.
    #[prost(oneof = "Selector", tags = "1, 2, 3")]
    pub selector: Option<Selector>,
}

/// Where a step goes.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Selector {
    /// To an attribute or block.
    #[prost(string, tag = "1")]
    AttributeName(String),
    /// To a map's element.
    #[prost(string, tag = "2")]
    ElementKeyString(String),
    /// To a list's element.
    #[prost(int64, tag = "3")]
    ElementKeyInt(i64),
}
