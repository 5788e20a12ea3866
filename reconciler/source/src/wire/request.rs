//! What we say to a server: one want, the commits we have, done. All at once, so that the same bytes serve HTTP,
//! where each request stands alone, and SSH.

use git2::Oid;

use crate::fetch::FetchError;

/// Capabilities we ask for when the server has them. `thin-pack` is not among them: a pack must stand alone.
/// `multi_ack_detailed` changes nothing for a single round, but Azure DevOps answers no one who does not ask for it.
const WANTED: [&str; 4] = ["multi_ack_detailed", "side-band-64k", "ofs-delta", "no-progress"];

/// The request for everything that `wanted` reaches and no commit of `known` does.
pub(crate) fn pack_request(
    remote: &str,
    capabilities: &[String],
    wanted: Oid,
    known: &[Oid],
) -> Result<Vec<u8>, FetchError> {
    if !capabilities.iter().any(|word| word == "side-band-64k") {
        let problem = "it does not offer `side-band-64k`".to_owned();
        return Err(FetchError::Protocol { remote: remote.to_owned(), problem });
    }
    let asked: Vec<&str> =
        WANTED.into_iter().filter(|name| capabilities.iter().any(|word| word == name)).collect();
    let mut request = line(&format!("want {wanted} {}\n", asked.join(" ")));
    request.push_str("0000");
    for commit in known {
        request.push_str(&line(&format!("have {commit}\n")));
    }
    request.push_str(&line("done\n"));
    Ok(request.into_bytes())
}

/// What ends a session that wants nothing.
pub(crate) fn nothing_wanted() -> &'static [u8] {
    b"0000"
}

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_asks_for_what_the_server_offers_and_no_more() {
        let id = Oid::from_str("0123456789012345678901234567890123456789").unwrap();
        let offered = ["side-band-64k", "thin-pack", "no-progress"].map(str::to_owned);
        let request = pack_request("test", &offered, id, &[id]).unwrap();
        assert_eq!(
            String::from_utf8(request).unwrap(),
            format!("004cwant {id} side-band-64k no-progress\n00000032have {id}\n0009done\n")
        );
        assert!(pack_request("test", &[], id, &[]).is_err());
    }
}
