//! What the environment declares, by the names that every OpenTelemetry SDK reads
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>). Without an endpoint nothing is sent anywhere.

use std::time::Duration;

use moorline_config::Secret;
use url::Url;

use super::sampler::Sampler;

/// What is sent where.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) traces: Option<Endpoint>,
    pub(super) metrics: Option<Endpoint>,
    /// Attributes of this process.
    pub(super) resource: Vec<(String, String)>,
    pub(super) sampler: Sampler,
    pub(super) batch: Batch,
    pub(super) interval: Duration,
}

/// Where one signal goes.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    /// Names, and values that may be keys.
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) timeout: Duration,
}

/// How spans are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) queue_max: usize,
    pub(super) spans_max: usize,
    pub(super) delay: Duration,
}

/// Everything in the environment that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(pub Vec<String>);

/// Reads variables, and notes what is wrong with them.
struct Reader<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<String>,
}

impl Settings {
    /// What the environment declares. `None`: nothing is to be sent.
    ///
    /// # Errors
    /// Every variable that cannot be followed, at once. No value of a header is repeated.
    pub fn read(
        environment: &dyn Fn(&str) -> Option<String>,
        version: &str,
        instance: &str,
    ) -> Result<Option<Self>, InvalidSettings> {
        let mut reader = Reader { environment, mistakes: Vec::new() };
        if reader.text("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let (traces, metrics) = (reader.endpoint("TRACES"), reader.endpoint("METRICS"));
        if traces.is_none() && metrics.is_none() && reader.mistakes.is_empty() {
            return Ok(None);
        }
        let settings = Self {
            traces,
            metrics,
            resource: reader.resource(version, instance),
            sampler: reader.sampler(),
            batch: Batch {
                queue_max: reader.number("OTEL_BSP_MAX_QUEUE_SIZE", 2_048, 1..=1_000_000),
                spans_max: reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1..=8_192),
                delay: reader.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5_000),
            },
            interval: reader.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60_000),
        };
        if reader.mistakes.is_empty() { Ok(Some(settings)) } else { Err(InvalidSettings(reader.mistakes)) }
    }
}

impl Reader<'_> {
    /// A variable that is empty is as good as none.
    fn text(&self, name: &str) -> Option<String> {
        (self.environment)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The variable of one signal, or the one for all.
    fn for_signal(&self, signal: &str, what: &str) -> Option<(String, String)> {
        let all = ["OTEL_EXPORTER_OTLP", what].join("_");
        let own = ["OTEL_EXPORTER_OTLP", signal, what].join("_");
        self.text(&own).map(|text| (own, text)).or_else(|| self.text(&all).map(|text| (all, text)))
    }

    fn endpoint(&mut self, signal: &str) -> Option<Endpoint> {
        let exporter = format!("OTEL_{signal}_EXPORTER");
        match self.text(&exporter).as_deref() {
            Some("none") => return None,
            Some("otlp") | None => {}
            Some(other) => self.mistakes.push(format!("{exporter}={other}: expected otlp or none")),
        }
        let (name, text) = self.for_signal(signal, "ENDPOINT")?;
        // The address for all signals is a base; a signal's own is used as it is.
        let is_base = name == "OTEL_EXPORTER_OTLP_ENDPOINT";
        let path = format!("/v1/{}", signal.to_ascii_lowercase());
        let url = if is_base { format!("{}{path}", text.trim_end_matches('/')) } else { text };
        let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url.filter(|url| url.username().is_empty() && url.password().is_none()) else {
            self.mistakes.push(format!("{name}: expected an http or https URL without a user"));
            return None;
        };
        if let Some((name, protocol)) =
            self.for_signal(signal, "PROTOCOL").filter(|(_, text)| text != "http/protobuf")
        {
            self.mistakes.push(format!(
                "{name}={protocol}: only http/protobuf is spoken (a collector takes it on port 4318)"
            ));
        }
        let headers = self.for_signal(signal, "HEADERS");
        let headers = headers.map_or_else(Vec::new, |(name, text)| self.headers(&name, &text));
        let timeout = self
            .for_signal(signal, "TIMEOUT")
            .map_or("OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), |(name, _)| name);
        let timeout = self.milliseconds(&timeout, 10_000);
        Some(Endpoint { url, headers, timeout })
    }

    fn headers(&mut self, name: &str, text: &str) -> Vec<(String, Secret)> {
        let mut headers = Vec::new();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let read =
                pair.split_once('=').and_then(|(key, value)| Some((key.trim(), decoded(value.trim())?)));
            let fits = |(key, value): &(&str, String)| {
                http::HeaderName::try_from(*key).is_ok()
                    && http::HeaderValue::try_from(value.as_str()).is_ok()
            };
            match read.filter(fits) {
                Some((key, value)) => headers.push((key.to_owned(), Secret::new(value))),
                // What stands there may be a key.
                None => {
                    self.mistakes.push(format!("{name}: expected name=value pairs with commas between them"));
                }
            }
        }
        headers
    }

    fn resource(&mut self, version: &str, instance: &str) -> Vec<(String, String)> {
        const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let mut attributes = vec![
            ("service.name".to_owned(), "moorline-gateway".to_owned()),
            ("service.version".to_owned(), version.to_owned()),
            ("service.instance.id".to_owned(), instance.to_owned()),
        ];
        let mut set = |key: &str, value: String| {
            attributes.retain(|(there, _)| there != key);
            attributes.push((key.to_owned(), value));
        };
        let mut is_wrong = false;
        for pair in self.text(NAME).unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty()) {
            match pair.split_once('=').and_then(|(key, value)| Some((key.trim(), decoded(value.trim())?))) {
                Some((key, value)) if !key.is_empty() => set(key, value),
                _ => is_wrong = true,
            }
        }
        // The name of its own wins over the one among the attributes.
        if let Some(name) = self.text("OTEL_SERVICE_NAME") {
            set("service.name", name);
        }
        if is_wrong {
            self.mistakes.push(format!("{NAME}: expected name=value pairs with commas between them"));
        }
        attributes
    }

    fn sampler(&mut self) -> Sampler {
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let share = match self.text(ARGUMENT).map(|text| text.parse::<f64>()) {
            None => 1.0,
            Some(Ok(share)) if (0.0..=1.0).contains(&share) => share,
            Some(_) => {
                self.mistakes.push(format!("{ARGUMENT}: expected a share from 0 to 1"));
                1.0
            }
        };
        let Some(name) = self.text("OTEL_TRACES_SAMPLER") else { return Sampler::DEFAULT };
        Sampler::named(&name, share).unwrap_or_else(|| {
            self.mistakes.push(format!(
                "OTEL_TRACES_SAMPLER={name}: expected always_on, always_off, traceidratio, or one of these after parentbased_"
            ));
            Sampler::DEFAULT
        })
    }

    fn milliseconds(&mut self, name: &str, usual: usize) -> Duration {
        let milliseconds = self.number(name, usual, 1..=86_400_000);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
    }

    fn number(&mut self, name: &str, usual: usize, range: std::ops::RangeInclusive<usize>) -> usize {
        match self.text(name).map(|text| text.parse::<usize>()) {
            None => usual,
            Some(Ok(number)) if range.contains(&number) => number,
            Some(_) => {
                self.mistakes.push(format!(
                    "{name}: expected a number from {} to {}",
                    range.start(),
                    range.end()
                ));
                usual
            }
        }
    }
}

/// A value with `%XX` for what cannot stand as it is. `None`: it is malformed.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, InvalidSettings> {
        let find = |name: &str| {
            variables.iter().find(|(there, _)| *there == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&find, "1.0", "i-1")
    }

    #[test]
    fn nothing_is_sent_without_an_endpoint() {
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_SAMPLER", "nonsense")]).unwrap().is_none());
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap().is_none());
        let disabled = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), ("OTEL_SDK_DISABLED", "True")];
        assert!(read(&disabled).unwrap().is_none());
    }

    #[test]
    fn a_base_address_serves_both_signals_and_a_signals_own_is_used_as_it_is() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://m/in"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20marker, x-tenant = a"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-own=b"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,service.name=other,team=a%2Cb"),
            ("OTEL_SERVICE_NAME", "edge"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
        ])
        .unwrap()
        .unwrap();
        let (traces, metrics) = (settings.traces.clone().unwrap(), settings.metrics.clone().unwrap());
        assert_eq!(
            (traces.url.as_str(), metrics.url.as_str()),
            ("http://c:4318/base/v1/traces", "https://m/in")
        );
        assert_eq!((traces.timeout.as_millis(), metrics.timeout.as_millis()), (250, 10_000));
        let shown: Vec<(&str, &str)> =
            traces.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(shown, [("authorization", "Bearer marker"), ("x-tenant", "a")]);
        assert_eq!(metrics.headers.len(), 1);
        let attribute = |key: &str| {
            settings.resource.iter().find(|(there, _)| there == key).map(|(_, value)| value.as_str())
        };
        assert_eq!(attribute("service.name"), Some("edge"));
        assert_eq!(attribute("team"), Some("a,b"));
        assert_eq!(
            (attribute("service.version"), attribute("service.instance.id")),
            (Some("1.0"), Some("i-1"))
        );
        assert!(!format!("{settings:?}").contains("marker"), "a header's value is never shown");
    }

    #[test]
    fn one_signal_can_be_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let settings = read(&[endpoint, ("OTEL_METRICS_EXPORTER", "none")]).unwrap().unwrap();
        assert!(settings.traces.is_some() && settings.metrics.is_none());
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_value_of_a_header_with_it() {
        let error = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://c"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "marker-without-a-name"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
            ("OTEL_RESOURCE_ATTRIBUTES", "alone"),
        ])
        .unwrap_err();
        assert_eq!(error.0.len(), 7, "{error}");
        assert!(!error.to_string().contains("marker"), "{error}");
        assert!(error.to_string().contains("only http/protobuf is spoken"), "{error}");
    }
}
