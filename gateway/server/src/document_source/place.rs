//! Where a layer is kept, as said on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::{Host, Url};

/// Where a layer is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// An object in S3.
    S3 {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// A web address.
    Https(Url),
}

/// Why a text names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// An S3 address lacks a part.
    #[error("expected s3://BUCKET/KEY")]
    S3,
    /// No URL.
    #[error("expected a file, s3://BUCKET/KEY or https://HOST/PATH")]
    Url,
    /// A name or password in the address.
    #[error("an address holds no password: use --config-token")]
    Password,
    /// In clear over a network.
    #[error("http:// is for this host only; expected https://")]
    Clear,
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').ok_or(PlaceError::S3)?;
            if bucket.is_empty() || key.is_empty() {
                return Err(PlaceError::S3);
            }
            return Ok(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() });
        }
        if !text.contains("://") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|_| PlaceError::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PlaceError::Password);
        }
        match url.scheme() {
            "https" => Ok(Self::Https(url)),
            "http" if is_loopback(&url) => Ok(Self::Https(url)),
            "http" => Err(PlaceError::Clear),
            _ => Err(PlaceError::Url),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl fmt::Display for Place {
    /// Without a query: it may be a signature.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::S3 { bucket, key } => write!(formatter, "s3://{bucket}/{key}"),
            Self::Https(url) => {
                let mut plain = url.clone();
                plain.set_query(None);
                plain.set_fragment(None);
                write!(formatter, "{plain}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_an_object_or_a_web_address() {
        let place = |text: &str| text.parse::<Place>().map(|place| place.to_string());
        for text in
            ["gateway.yaml", "/etc/gateway.yaml", "s3://bucket/a/b.yaml", "https://config.example/g.yaml"]
        {
            assert_eq!(place(text).as_deref(), Ok(text));
        }
        assert!(matches!("C:/x".parse(), Ok(Place::File(_))));
        assert_eq!(place("https://h/g?X-Amz-Signature=marker").as_deref(), Ok("https://h/g"));
        for text in ["http://127.0.0.1:1/g", "http://[::1]/g", "http://localhost/g"] {
            assert_eq!(place(text).as_deref(), Ok(text));
        }
        for (text, error) in [
            ("s3://bucket", PlaceError::S3),
            ("s3://bucket/", PlaceError::S3),
            ("s3:///key", PlaceError::S3),
            ("ftp://h/g", PlaceError::Url),
            ("https://", PlaceError::Url),
            ("https://u:marker@h/g", PlaceError::Password),
            ("http://10.0.0.1/g", PlaceError::Clear),
            ("http://localhost.evil.example/g", PlaceError::Clear),
        ] {
            assert_eq!(place(text), Err(error), "{text}");
        }
    }
}
