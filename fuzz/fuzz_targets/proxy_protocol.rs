//! A PROXY protocol header and what follows it.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use vergate::pipeline::downstream::proxy_protocol::{HEADER_BYTES_MAX, Progress, parse};

fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    for end in 0..data.len() {
        let part = parse(&data[..end]);
        assert!(part == Ok(Progress::Partial) || part == whole, "{} up to {end}", data.escape_ascii());
    }
    let Ok(Progress::Complete(end, source)) = whole else { return };
    assert!(end <= data.len() && end <= HEADER_BYTES_MAX);
    assert_eq!(parse(&data[..end]), whole, "what follows a header is not its own");
    let Some(source) = source else { return };
    let (line, header) = written(source);
    assert_eq!(parse(line.as_bytes()), Ok(Progress::Complete(line.len(), Some(source))));
    assert_eq!(parse(&header), Ok(Progress::Complete(header.len(), Some(source))));
});

/// Both versions of a header that names `source`.
fn written(source: SocketAddr) -> (String, Vec<u8>) {
    let (word, family, octets) = match source.ip() {
        IpAddr::V4(ip) => ("TCP4", 0x11, ip.octets().to_vec()),
        IpAddr::V6(ip) => ("TCP6", 0x21, ip.octets().to_vec()),
    };
    let line = format!("PROXY {word} {0} {0} {1} {1}\r\n", source.ip(), source.port());
    let port = source.port().to_be_bytes();
    let rest = [&octets[..], &octets, &port, &port].concat();
    let length = [0, u8::try_from(rest.len()).expect("two addresses are short")];
    (line, [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[family], &length, &rest].concat())
}
