//! Which APIs a host leaves as candidates.

use std::collections::HashMap;

use crate::domain::api::HostPattern;

/// Sets of candidates by host; a set is an index given by the caller.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<Box<[u8]>, usize>,
    /// By `.example.com`.
    one_label: HashMap<Box<[u8]>, usize>,
    any: Option<usize>,
}

/// The longest host name of the DNS (RFC 1035 section 2.3.4); address literals are shorter.
const HOST_BYTES_MAX: usize = 253;

impl Hosts {
    /// The set of a pattern, none for APIs without hosts. `new` is taken for a pattern not seen before.
    pub(super) fn set(&mut self, pattern: Option<&HostPattern>, new: usize) -> usize {
        match pattern {
            None => *self.any.get_or_insert(new),
            Some(HostPattern::Exact(host)) => *self.exact.entry(bare(host.as_bytes()).into()).or_insert(new),
            Some(HostPattern::OneLabel(suffix)) => *self.one_label.entry(suffix.as_bytes().into()).or_insert(new),
        }
    }

    /// The set for an authority as sent, and whether the host is named: exact, then one label, then any.
    pub(super) fn find(&self, authority: Option<&str>) -> (Option<usize>, bool) {
        if !self.exact.is_empty() || !self.one_label.is_empty() {
            let host = bare(authority.unwrap_or_default().as_bytes());
            // Clients write lower case.
            let set =
                if host.iter().any(u8::is_ascii_uppercase) { self.named_in_any_case(host) } else { self.named(host) };
            if set.is_some() {
                return (set, true);
            }
        }
        (self.any, false)
    }

    fn named_in_any_case(&self, host: &[u8]) -> Option<usize> {
        let mut lower = [0; HOST_BYTES_MAX];
        let lower = lower.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        self.named(lower)
    }

    fn named(&self, host: &[u8]) -> Option<usize> {
        let one_label = || {
            let dot = host.iter().position(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
            self.one_label.get(&host[dot..])
        };
        self.exact.get(host).or_else(one_label).copied()
    }
}

/// An authority as it is compared: lower case, without port and brackets.
pub(super) fn spelled(authority: &str) -> String {
    String::from_utf8_lossy(bare(authority.as_bytes())).to_ascii_lowercase()
}

/// The host of an authority: without port, brackets and the dot of a full name.
pub(super) fn bare(authority: &[u8]) -> &[u8] {
    if let Some(rest) = authority.strip_prefix(b"[") {
        let end = rest.iter().position(|byte| *byte == b']').unwrap_or(rest.len());
        return &rest[..end];
    }
    // A bare IPv6 address in the configuration has colons, but no port.
    let mut colons = authority.iter().enumerate().filter(|(_, byte)| **byte == b':');
    let host = match (colons.next(), colons.next()) {
        (Some((colon, _)), None) => &authority[..colon],
        _ => authority,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let mut hosts = Hosts::default();
        hosts.set(Some(&HostPattern::Exact("api.example.com".into())), 0);
        hosts.set(Some(&HostPattern::OneLabel(".example.com".into())), 1);
        hosts.set(Some(&HostPattern::Exact("::1".into())), 2);
        hosts.set(None, 3);
        hosts
    }

    #[test]
    fn an_exact_host_beats_one_label_beats_any() {
        for (authority, set) in [
            (Some("api.example.com"), 0),
            (Some("API.Example.com:8080"), 0),
            (Some("api.example.com."), 0),
            (Some("api.example.com.:80"), 0),
            (Some("other.example.com"), 1),
            (Some("a.b.example.com"), 3),
            (Some(".example.com"), 3),
            (Some("example.com"), 3),
            (Some("api.example.com.evil"), 3),
            (Some("[::1]:8080"), 2),
            (Some("[::1]"), 2),
            (Some(""), 3),
            (None, 3),
        ] {
            assert_eq!(hosts().find(authority), (Some(set), set != 3), "{authority:?}");
        }
    }

    #[test]
    fn a_host_longer_than_names_can_be_is_no_named_one() {
        let long = format!("{}.EXAMPLE.com", "a".repeat(300));
        assert_eq!(hosts().find(Some(&long)), (Some(3), false));
    }

    #[test]
    fn without_apis_for_any_host_an_unnamed_one_has_no_candidates() {
        let mut hosts = Hosts::default();
        hosts.set(Some(&HostPattern::Exact("api.example.com".into())), 0);
        assert_eq!(hosts.find(Some("example.com")), (None, false));
        assert_eq!(hosts.find(None), (None, false));
    }
}
