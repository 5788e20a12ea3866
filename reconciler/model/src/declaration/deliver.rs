//! Where a gateway document comes from and where it goes: the two places in `moorline.yaml` that may be written in
//! two forms.

use moorline_config::schema::RELATIVE_PATH;
use schemars::JsonSchema;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The address of an admin API, and nothing below it.
const ADMIN_URL: &str = r"^https?://[^/\\?#@\s]+/?$";

/// Where the document comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum Document {
    /// Files of the repository, later ones laid over earlier ones.
    Files(#[schemars(length(min = 1), inner(regex(pattern = RELATIVE_PATH)))] Vec<String>),
    /// Handed over by `terraform apply` of this resource.
    Terraform {
        /// The resource's address (`openai_gateway.main`).
        #[schemars(regex(pattern = r"openai_gateway\."))]
        terraform: String,
    },
}

/// Where the replicas' admin APIs are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Endpoints {
    /// Their URLs.
    Urls(#[schemars(length(min = 1), inner(regex(pattern = ADMIN_URL)))] Vec<String>),
    /// The running tasks of an ECS service.
    #[schemars(skip)]
    Ecs {
        /// The service.
        ecs: EcsService,
    },
}

/// An ECS service whose tasks are gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EcsService {
    /// Cluster.
    pub cluster: String,
    /// Service.
    pub service: String,
    /// Admin port of each task.
    pub port: u16,
}

/// Reads either a list of texts, or a map with one known key.
struct Either<F> {
    expecting: &'static str,
    key: &'static str,
    _form: std::marker::PhantomData<F>,
}

trait Form: Sized {
    type Inner: de::DeserializeOwned;
    fn from_list(list: Vec<String>) -> Self;
    fn from_inner(inner: Self::Inner) -> Self;
}

impl<'de, F: Form> Visitor<'de> for Either<F> {
    type Value = F;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.expecting)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<F, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = access.next_element()? {
            list.push(text);
        }
        Ok(F::from_list(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<F, A::Error> {
        let Some(key) = access.next_key::<String>()? else {
            return Err(de::Error::missing_field(self.key));
        };
        if key != self.key {
            return Err(de::Error::custom(format_args!("unknown field `{key}`, expected `{}`", self.key)));
        }
        let inner = access.next_value()?;
        match access.next_key::<String>()? {
            None => Ok(F::from_inner(inner)),
            Some(other) => {
                Err(de::Error::custom(format_args!("unknown field `{other}`, expected only `{}`", self.key)))
            }
        }
    }
}

impl Form for Document {
    type Inner = String;
    fn from_list(list: Vec<String>) -> Self {
        Self::Files(list)
    }
    fn from_inner(terraform: String) -> Self {
        Self::Terraform { terraform }
    }
}

impl Form for Endpoints {
    type Inner = EcsService;
    fn from_list(list: Vec<String>) -> Self {
        Self::Urls(list)
    }
    fn from_inner(ecs: EcsService) -> Self {
        Self::Ecs { ecs }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either {
            expecting: "a list of files, or {terraform: openai_gateway.NAME}",
            key: "terraform",
            _form: std::marker::PhantomData,
        })
    }
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either {
            expecting: "a list of admin URLs, or {ecs: {cluster, service, port}}",
            key: "ecs",
            _form: std::marker::PhantomData,
        })
    }
}
