//! What a request target and a host may look like.

use memchr::memchr;

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2): a name, an IPv4 address or a bracketed IPv6 one.
pub(super) fn is_authority(value: &[u8]) -> bool {
    let port = match value.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr(b']', rest) else { return false };
            let address = &rest[..end];
            if address.is_empty() || !address.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) {
                return false;
            }
            &rest[end + 1..]
        }
        None => {
            let end = memchr(b':', value).unwrap_or(value.len());
            if !value[..end].iter().all(|b| is_host(*b)) {
                return false;
            }
            &value[end..]
        }
    };
    match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether a target has one of the four forms, and one its method may have (RFC 9112 section 3.2).
pub(super) fn is_form(method: &[u8], target: &[u8]) -> bool {
    match target {
        [b'/', ..] => true,
        b"*" => method == b"OPTIONS",
        _ if method == b"CONNECT" => true,
        _ => {
            let Some(end) = memchr(b':', target) else { return false };
            let (scheme, rest) = (&target[..end], &target[end + 1..]);
            let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
            // A user in the authority would let two readers see two hosts (RFC 9110 section 4.2.4).
            let authority = rest.strip_prefix(b"//").and_then(|rest| rest.split(|b| matches!(b, b'/' | b'?')).next());
            // The parser reads no escape there.
            let good = |authority: &[u8]| {
                // RFC 9110 section 4.2.1: a URL without a host is invalid.
                !matches!(authority, [] | [b':', ..]) && is_authority(authority) && memchr(b'%', authority).is_none()
            };
            known && authority.is_some_and(good)
        }
    }
}

/// Whether a request target holds what it may: RFC 3986, and the few more that clients send unescaped, browsers `^` and
/// in a query a backtick among them (WHATWG URL section 1.3); no `\`, and no quote in a query.
pub(super) fn is_target(target: &[u8]) -> bool {
    const PATH: [bool; 256] =
        table(b"!$%&'()*+,-./:;=@[]_~|{}^\"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    const QUERY: [bool; 256] =
        table(b"!$%&'()*+,-./:;=?@[]_~|{}^`0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    let (path, query) = target.split_at(memchr(b'?', target).unwrap_or(target.len()));
    path.iter().all(|b| PATH[usize::from(*b)]) && query.iter().all(|b| QUERY[usize::from(*b)])
}

/// `reg-name` (RFC 3986 section 3.2.2).
fn is_host(byte: u8) -> bool {
    const TABLE: [bool; 256] = table(b"!$%&'()*+,-.;=_~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    TABLE[usize::from(byte)]
}

/// Which bytes are among `members`.
pub(super) const fn table(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < members.len() {
        table[members[at] as usize] = true;
        at += 1;
    }
    table
}
