use crate::domain::id::WorkerId;

/// The names in a client certificate, as it has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The URIs among its alternative names.
    pub uris: Vec<String>,
    /// The DNS names among them.
    pub dns_names: Vec<String>,
    /// The common names of its subject.
    pub common_names: Vec<String>,
}

impl Certificate {
    /// The worker it is of: by its URI of the form `spiffe://<trust domain>/worker/{id}`, else by
    /// its DNS name, else by its common name.
    ///
    /// The first of these that it has at all must name exactly one, and a lawful one: what could
    /// be read in two ways names nobody.
    pub fn worker(&self) -> Option<WorkerId> {
        let spiffe: Vec<&str> = self.uris.iter().filter_map(|uri| path(uri)).collect();
        let name = if !spiffe.is_empty() {
            let [path] = spiffe[..] else { return None };
            path.strip_prefix("worker/")?
        } else if !self.dns_names.is_empty() {
            only(&self.dns_names)?
        } else {
            only(&self.common_names)?
        };
        WorkerId::parse(name).ok()
    }
}

/// What follows the trust domain in a SPIFFE identity; such an identity without it has an empty
/// one.
fn path(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("spiffe") {
        return None;
    }
    match rest.split_once('/') {
        Some((domain, path)) if !domain.is_empty() => Some(path),
        _ => Some(""),
    }
}

fn only(names: &[String]) -> Option<&str> {
    match names {
        [name] => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who a certificate of these names is of.
    fn of(uris: &[&str], dns_names: &[&str], common_names: &[&str]) -> Option<String> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let certificate = Certificate {
            uris: owned(uris),
            dns_names: owned(dns_names),
            common_names: owned(common_names),
        };
        certificate.worker().map(|worker| worker.to_string())
    }

    /// T23: the identity side of it.
    #[test]
    fn the_first_kind_of_name_that_it_has_says_who_it_is() {
        const URI: &str = "spiffe://antcode.example/worker/w-1";
        for (uris, dns_names, common_names, worker) in [
            (&[URI][..], &["w-2"][..], &["w-3"][..], Some("w-1")),
            (&[URI, "https://example.org/w-2"], &[], &[], Some("w-1")),
            (&["https://example.org/w-2"], &["w-2"], &[], Some("w-2")),
            (&[], &["w-2"], &["w-3", "w-4"], Some("w-2")),
            (&[], &[], &["w-3"], Some("w-3")),
            (&["SPIFFE://x/worker/w-1"], &[], &[], Some("w-1")),
            // Two of a kind, or one that is not lawful, name nobody, whatever follows.
            (&[URI, "spiffe://x/worker/w-2"], &[], &[], None),
            (&[URI, URI], &[], &[], None),
            (&[URI, "spiffe://x/gateway/g"], &[], &[], None),
            (&["spiffe://x/gateway/g"], &["w-2"], &["w-3"], None),
            (&["spiffe://x/worker/"], &["w-2"], &[], None),
            (&["spiffe://x/worker/a/b"], &["w-2"], &[], None),
            (&["spiffe://x/worker/a%2Fb"], &["w-2"], &[], None),
            (&["spiffe://x/worker/w-1?a=b"], &["w-2"], &[], None),
            (&["spiffe://x/Worker/w-1"], &["w-2"], &[], None),
            (&["spiffe://x"], &["w-2"], &[], None),
            (&["spiffe:///worker/w-1"], &["w-2"], &[], None),
            (&["spiffe://"], &["w-2"], &[], None),
            (&[], &["w-1", "w-2"], &["w-3"], None),
            (&[], &["*.example.org"], &["w-3"], None),
            (&[], &[""], &["w-3"], None),
            (&[], &[], &["w-1", "w-2"], None),
            (&[], &[], &["w 1"], None),
            (&[], &[], &["w-1\0"], None),
            (&[], &[], &[], None),
        ] {
            let told = of(uris, dns_names, common_names);
            assert_eq!(
                told.as_deref(),
                worker,
                "{uris:?} {dns_names:?} {common_names:?}"
            );
        }
    }
}
