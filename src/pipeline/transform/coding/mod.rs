//! Content codings: taken off what has to be adapted, put on again for clients that ask (RFC 9110
//! section 8.4.1; RFC 7932 for br, RFC 8878 and 9659 for zstd).

mod accept;
mod decode;
mod encode;

use http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};

pub use accept::Accepted;
pub use decode::{DecodeError, Decoder, Step, decode};
pub use encode::encode;

/// A content coding the gateway reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip`, also called `x-gzip`.
    Gzip,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
    /// `deflate`: the zlib format, or the bare one that some senders mean by it.
    Deflate,
}

/// What `Content-Encoding` says was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Nothing.
    Identity,
    /// One coding the gateway knows.
    One(Coding),
    /// Several, or one it does not know.
    Other,
}

/// The codings that are read, for `Accept-Encoding` of a 415.
pub(super) const READ: HeaderValue = HeaderValue::from_static("br, gzip, zstd, deflate");

impl Coding {
    /// All of them, the preferred ones first: what an answer saves weighs more than what it costs.
    pub const ALL: [Self; 4] = [Self::Brotli, Self::Gzip, Self::Zstd, Self::Deflate];

    /// As `Content-Encoding` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }

    fn parse(name: &[u8]) -> Option<Self> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        // "x-gzip" is equivalent to "gzip" (RFC 9110 section 8.4.1.3).
        if is("x-gzip") { Some(Self::Gzip) } else { Self::ALL.into_iter().find(|coding| is(coding.as_str())) }
    }
}

impl Applied {
    /// Reads every line of `Content-Encoding`; `identity` is no coding.
    pub fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(CONTENT_ENCODING).iter();
        let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let mut applied = Self::Identity;
        for name in names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity")) {
            applied = match (applied, Coding::parse(name)) {
                (Self::Identity, Some(coding)) => Self::One(coding),
                _ => return Self::Other,
            };
        }
        applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_known_coding_is_read_and_nothing_else() {
        use Coding::*;
        for (value, applied) in [
            ("", Applied::Identity),
            ("identity", Applied::Identity),
            ("Identity, ,", Applied::Identity),
            ("gzip", Applied::One(Gzip)),
            ("GZip", Applied::One(Gzip)),
            ("x-gzip", Applied::One(Gzip)),
            (" br ", Applied::One(Brotli)),
            ("identity, zstd", Applied::One(Zstd)),
            ("deflate", Applied::One(Deflate)),
            ("compress", Applied::Other),
            ("aes128gcm", Applied::Other),
            ("gzip;q=1", Applied::Other),
            ("gzip, br", Applied::Other),
            ("gzip, gzip", Applied::Other),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(Applied::of(&headers), applied, "{value}");
        }
        assert_eq!(Applied::of(&HeaderMap::new()), Applied::Identity);
    }

    #[test]
    fn a_second_line_is_a_second_coding() {
        let mut headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(Applied::of(&headers), Applied::Other);
    }
}
