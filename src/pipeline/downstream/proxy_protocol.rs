//! The PROXY protocol header, versions 1 and 2: what a load balancer says about a client before anything else.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Strict: where two readers could differ, the header is
//! refused. Its own module, because it reads bytes of the network before anything else does.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How version 1 begins.
const WORD: &[u8; 6] = b"PROXY ";
/// Longest line of version 1, its CRLF included (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// Signature, command, family and length of version 2.
const FIXED_BYTES: usize = 16;
/// Longest header of version 2 that is read; what senders add (a certificate, a few names) is far smaller.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;

/// How far a header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So far it may become one.
    Partial,
    /// It takes so many bytes, and this is who connected to the proxy.
    ///
    /// No address: the proxy speaks for itself (LOCAL), or does not know (UNKNOWN, other families).
    Complete(usize, Option<SocketAddr>),
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// They begin neither version.
    #[error("there is no PROXY protocol header")]
    Absent,
    /// The line of version 1 is malformed.
    #[error("the PROXY protocol line is malformed")]
    Line,
    /// A version, command, family or transport that does not exist.
    #[error("the PROXY protocol header has a version, command or family that does not exist")]
    Kind,
    /// Shorter than its addresses, or with extensions that do not add up.
    #[error("the PROXY protocol header has a wrong length")]
    Length,
    /// Longer than [`HEADER_BYTES_MAX`].
    #[error("the PROXY protocol header is too long")]
    TooLong,
}

/// Reads the header at the front of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Progress, HeaderError> {
    match bytes.first() {
        None => Ok(Progress::Partial),
        Some(b'P') => line(bytes),
        Some(_) => binary(bytes),
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n`.
fn line(bytes: &[u8]) -> Result<Progress, HeaderError> {
    let seen = bytes.len().min(WORD.len());
    if bytes[..seen] != WORD[..seen] {
        return Err(HeaderError::Absent);
    }
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if window.len() == LINE_BYTES_MAX { Err(HeaderError::TooLong) } else { Ok(Progress::Partial) };
    };
    match &window[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if window.len() < LINE_BYTES_MAX => return Ok(Progress::Partial),
        [b'\r'] => return Err(HeaderError::TooLong),
        _ => return Err(HeaderError::Line),
    }
    let text = std::str::from_utf8(&window[WORD.len()..end]).map_err(|_| HeaderError::Line)?;
    Ok(Progress::Complete(end + 2, source(text)?))
}

/// The source in what follows `PROXY `.
fn source(text: &str) -> Result<Option<SocketAddr>, HeaderError> {
    let mut words = text.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // Section 2.1: what follows is ignored.
        return Ok(None);
    }
    let [Some(source), Some(destination), Some(source_port), Some(destination_port), None] =
        [words.next(), words.next(), words.next(), words.next(), words.next()]
    else {
        return Err(HeaderError::Line);
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse().ok().map(IpAddr::V4),
            "TCP6" => text.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let source = address(source).zip(port(source_port));
    let destination = address(destination).zip(port(destination_port));
    match (source, destination) {
        (Some(source), Some(_)) => Ok(Some(source.into())),
        _ => Err(HeaderError::Line),
    }
}

/// Decimal digits without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

/// Version 2.
fn binary(bytes: &[u8]) -> Result<Progress, HeaderError> {
    let seen = bytes.len().min(SIGNATURE.len());
    if bytes[..seen] != SIGNATURE[..seen] {
        return Err(HeaderError::Absent);
    }
    // Refused as soon as it can be: a sender that waits for an answer would wait for the deadline.
    let local = match bytes.get(12) {
        None => return Ok(Progress::Partial),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(HeaderError::Kind),
    };
    let family = match bytes.get(13) {
        None => return Ok(Progress::Partial),
        Some(&kind) if kind >> 4 <= 3 && kind & 15 <= 2 => kind,
        Some(_) => return Err(HeaderError::Kind),
    };
    let &[high, low] = bytes.get(14..FIXED_BYTES).unwrap_or_default() else { return Ok(Progress::Partial) };
    let end = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if end > HEADER_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    // Two addresses and, but for UNIX sockets, two ports (section 2.2).
    let addresses_bytes = match family >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    };
    if !local && end < FIXED_BYTES + addresses_bytes {
        return Err(HeaderError::Length);
    }
    let Some(rest) = bytes.get(FIXED_BYTES..end) else { return Ok(Progress::Partial) };
    if local {
        // Section 2.2: the receiver uses the connection's own endpoints and skips the rest.
        return Ok(Progress::Complete(end, None));
    }
    let (addresses, extensions) = rest.split_at(addresses_bytes);
    if family >> 4 != 0 && !add_up(extensions) {
        return Err(HeaderError::Length);
    }
    let port = |at: usize| u16::from_be_bytes([addresses[at], addresses[at + 1]]);
    let source = match family {
        0x11 => Some((array(addresses).map(Ipv4Addr::from).map(IpAddr::V4), port(8))),
        0x21 => Some((array(addresses).map(Ipv6Addr::from).map(IpAddr::V6), port(32))),
        // Datagrams and UNIX sockets name nobody who could have connected here.
        _ => None,
    };
    Ok(Progress::Complete(end, source.and_then(|(address, port)| Some((address?, port).into()))))
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}

/// Whether extensions (type, length, value) fill their space exactly.
fn add_up(mut extensions: &[u8]) -> bool {
    while let [_, high, low, rest @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(after) = rest.get(length..) else { return false };
        extensions = after;
    }
    extensions.is_empty()
}

/// Takes the header off `stream`, and not one byte more.
///
/// - Errors: the connection ended, or what came is no header ([`HeaderError`] inside [`io::ErrorKind::InvalidData`]).
pub async fn take(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut header = Vec::with_capacity(256);
    loop {
        let before = header.len();
        let mut window = [0; 256];
        // What lies behind the header belongs to TLS or HTTP: look first, then take what is known to be ours.
        let seen = stream.peek(&mut window).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        header.extend_from_slice(&window[..seen]);
        let progress = parse(&header).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let ours = match progress {
            Progress::Partial => seen,
            Progress::Complete(end, _) => end - before,
        };
        stream.read_exact(&mut window[..ours]).await?;
        if let Progress::Complete(_, source) = progress {
            return Ok(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 0, 80];

    fn from(text: &str) -> Option<SocketAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn a_line_names_the_client() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", from("192.0.2.1:4711")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", from("255.255.255.255:65535")),
            ("PROXY TCP6 2001:db8::1 ::1 0 443\r\n", from("[2001:db8::1]:0")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Progress::Complete(line.len(), source)), "{line:?}");
            let more = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(parse(more.as_bytes()), Ok(Progress::Complete(line.len(), source)), "{more:?}");
        }
    }

    #[test]
    fn a_line_that_readers_could_take_differently_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert_eq!(long.len(), 108);
        for (line, error) in [
            ("GET / HTTP/1.1\r\n", HeaderError::Absent),
            ("POST / HTTP/1.1\r\n", HeaderError::Absent),
            ("proxy TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", HeaderError::Absent),
            ("PROXY\r\n", HeaderError::Absent),
            ("PROXY  TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", HeaderError::Line),
            ("PROXY TCP4  192.0.2.1 192.0.2.2 4711 80\r\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80 \r\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\rX", HeaderError::Line),
            ("PROXY TCP4 192.0.2.01 192.0.2.2 4711 80\r\n", HeaderError::Line),
            ("PROXY TCP4 2001:db8::1 ::1 4711 80\r\n", HeaderError::Line),
            ("PROXY TCP6 192.0.2.1 192.0.2.2 4711 80\r\n", HeaderError::Line),
            ("PROXY TCP6 fe80::1%eth0 ::1 4711 80\r\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 04711 80\r\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 +4711 80\r\n", HeaderError::Line),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 -1 80\r\n", HeaderError::Line),
            ("PROXY UDP4 192.0.2.1 192.0.2.2 4711 80\r\n", HeaderError::Line),
            ("PROXY \r\n", HeaderError::Line),
            (long.as_str(), HeaderError::TooLong),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(error), "{line:?}");
        }
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
        assert_eq!(parse(longest.as_bytes()), Ok(Progress::Complete(107, None)));
        assert_eq!(parse(&longest.as_bytes()[..106]), Ok(Progress::Partial));
    }

    #[test]
    fn a_binary_header_names_the_client() {
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0x12, 0x67, 1, 0xbb]].concat();
        let extended = [&V4[..], &[4, 0, 1, 0xff], &[0x20, 0, 0]].concat();
        for (header, source) in [
            (v2(0x21, 0x11, &V4), from("192.0.2.1:4711")),
            (v2(0x21, 0x11, &extended), from("192.0.2.1:4711")),
            (v2(0x21, 0x21, &v6), from("[2001:db8::1]:4711")),
            (v2(0x20, 0x11, &V4), None),
            (v2(0x20, 0, b""), None),
            (v2(0x20, 0, b"anything"), None),
            (v2(0x21, 0, b""), None),
            (v2(0x21, 0, b"anything"), None),
            (v2(0x21, 0x12, &V4), None),
            (v2(0x21, 0x31, &[b'/'; 216]), None),
        ] {
            let shown = header.escape_ascii().to_string();
            let whole = Ok(Progress::Complete(header.len(), source));
            assert_eq!(parse(&header), whole, "{shown}");
            assert_eq!(parse(&[&header[..], b"GET"].concat()), whole, "{shown}");
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(Progress::Partial), "{shown} up to {end}");
            }
        }
    }

    #[test]
    fn a_binary_header_that_does_not_exist_or_add_up_is_refused() {
        for (header, error) in [
            (v2(0x11, 0x11, &V4), HeaderError::Kind),
            (v2(0x22, 0x11, &V4), HeaderError::Kind),
            (v2(0x21, 0x13, &V4), HeaderError::Kind),
            (v2(0x21, 0x41, &V4), HeaderError::Kind),
            (v2(0x21, 0x11, &V4[..11]), HeaderError::Length),
            (v2(0x21, 0x21, &V4), HeaderError::Length),
            (v2(0x21, 0x31, &V4), HeaderError::Length),
            (v2(0x21, 0x11, &[&V4[..], &[4]].concat()), HeaderError::Length),
            (v2(0x21, 0x11, &[&V4[..], &[4, 0]].concat()), HeaderError::Length),
            (v2(0x21, 0x11, &[&V4[..], &[4, 0, 2, 1]].concat()), HeaderError::Length),
            (v2(0x20, 0, &[0; HEADER_BYTES_MAX - FIXED_BYTES + 1]), HeaderError::TooLong),
            (b"\r\n\r\nGET / HTTP/1.1".to_vec(), HeaderError::Absent),
            (b"\x16\x03\x01".to_vec(), HeaderError::Absent),
        ] {
            assert_eq!(parse(&header), Err(error), "{}", header.escape_ascii());
        }
        let largest = v2(0x20, 0, &[0; HEADER_BYTES_MAX - FIXED_BYTES]);
        assert_eq!(parse(&largest), Ok(Progress::Complete(HEADER_BYTES_MAX, None)));
    }

    proptest! {
        /// A verdict on a beginning is the verdict on the whole: cutting changes nothing.
        #[test]
        fn cutting_changes_nothing(
            start in prop::sample::select(vec![&b""[..], b"PROXY TCP4 1.2.3.4 ", b"PROXY UNKNOWN ", SIGNATURE]),
            rest in prop::collection::vec(prop_oneof![prop::sample::select(b" \r\n0149:.".to_vec()), any::<u8>()], 0..60),
        ) {
            let bytes = [start, &rest].concat();
            let whole = parse(&bytes);
            for end in 0..bytes.len() {
                let part = parse(&bytes[..end]);
                prop_assert!(part == Ok(Progress::Partial) || part == whole, "{part:?} {whole:?} {end}");
            }
            if let Ok(Progress::Complete(end, _)) = whole {
                prop_assert_eq!(parse(&bytes[..end]), whole);
                prop_assert!(end <= bytes.len());
            }
        }

        /// What a sender writes is what is read, in both versions.
        #[test]
        fn what_is_written_is_read(source in any::<SocketAddr>(), destination in any::<SocketAddr>()) {
            // A header has no place for flows and scopes.
            let bare = |address: SocketAddr| SocketAddr::new(address.ip(), address.port());
            let (source, destination) = (bare(source), bare(destination));
            prop_assume!(source.is_ipv4() == destination.is_ipv4());
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let line = format!(
                "PROXY {family} {} {} {} {}\r\n", source.ip(), destination.ip(), source.port(), destination.port()
            );
            prop_assert_eq!(parse(line.as_bytes()), Ok(Progress::Complete(line.len(), Some(source))));
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
            let rest = [octets(source.ip()), octets(destination.ip()), ports].concat();
            let header = v2(0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, &rest);
            prop_assert_eq!(parse(&header), Ok(Progress::Complete(header.len(), Some(source))));
        }
    }
}
