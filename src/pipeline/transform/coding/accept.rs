//! Which coding an answer gets (RFC 9110 section 12.5.3).

use http::{HeaderMap, header::ACCEPT_ENCODING};

use super::Coding;

/// What a client takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The coding it likes best of those the gateway writes, unless it likes none at all better.
    pub coding: Option<Coding>,
    /// Whether it refuses to be sent none.
    pub refuses_identity: bool,
}

/// Thousandths.
type Quality = u16;

impl Accepted {
    /// Reads every line of `Accept-Encoding`; a client without one takes no coding.
    ///
    /// Of codings it likes equally the first of [`Coding::ALL`] is taken. A weight that is no
    /// weight counts as 0: what a client did not clearly ask for it is not sent.
    pub fn of(headers: &HeaderMap) -> Self {
        let (mut codings, mut identity, mut rest) = ([None; Coding::ALL.len()], None, None);
        let lines = headers.get_all(ACCEPT_ENCODING).iter();
        for member in lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let quality = parts.next().map_or(Some(1000), weight).filter(|_| parts.next().is_none()).unwrap_or(0);
            if name == b"*" {
                rest = Some(quality);
            } else if name.eq_ignore_ascii_case(b"identity") {
                identity = Some(quality);
            } else if let Some(coding) = Coding::parse(name)
                && let Some(index) = Coding::ALL.iter().position(|known| *known == coding)
            {
                codings[index] = codings[index].max(Some(quality));
            }
        }
        let mut best: Option<(Coding, Quality)> = None;
        for (coding, quality) in Coding::ALL.into_iter().zip(codings) {
            let quality = quality.or(rest).unwrap_or(0);
            if quality > best.map_or(0, |(_, quality)| quality) {
                best = Some((coding, quality));
            }
        }
        // Without a word on it, none at all is always good enough, and never better than what was named.
        let named = identity.unwrap_or(0);
        Self {
            coding: best.filter(|(_, quality)| *quality >= named).map(|(coding, _)| coding),
            refuses_identity: identity.or(rest) == Some(0),
        }
    }
}

/// `q=0.5` in thousandths; none for anything else.
fn weight(parameter: &[u8]) -> Option<Quality> {
    let mut halves = parameter.splitn(2, |byte| *byte == b'=');
    if !halves.next()?.trim_ascii().eq_ignore_ascii_case(b"q") {
        return None;
    }
    let value = halves.next()?.trim_ascii();
    let (whole, digits) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| Quality::from(byte - b'0'));
    let mut thousandths = digit(whole)? * 1000;
    for (digit, place) in digits.iter().map(digit).zip([100, 10, 1]) {
        thousandths += digit? * place;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_client_gets_the_coding_it_likes_best() {
        use Coding::*;
        for (value, coding) in [
            ("gzip", Some(Gzip)),
            ("gzip, br", Some(Brotli)),
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("zstd, gzip", Some(Gzip)),
            ("zstd", Some(Zstd)),
            ("deflate", Some(Deflate)),
            ("x-gzip", Some(Gzip)),
            ("BR;Q=0.5, gzip ; q = 0.501", Some(Gzip)),
            ("gzip;q=1.000, br;q=0.999", Some(Gzip)),
            ("br;q=0, gzip", Some(Gzip)),
            ("br;q=0", None),
            ("br;q=0.0, *", Some(Gzip)),
            ("*", Some(Brotli)),
            ("*;q=0", None),
            ("gzip;q=0.5, *;q=0.1", Some(Gzip)),
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Gzip)),
            ("compress", None),
            ("", None),
            // Not weights: not asked for.
            ("gzip;q=2", None),
            ("gzip;q=1.001", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=.5", None),
            ("gzip;q=", None),
            ("gzip;level=9", None),
            ("gzip;q=1;q=1", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(Accepted::of(&headers).coding, coding, "{value}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()), Accepted::default());
    }

    #[test]
    fn only_a_zero_refuses_an_answer_without_a_coding() {
        for (value, refuses) in [
            ("gzip", false),
            ("identity;q=0, gzip", true),
            ("gzip, *;q=0", true),
            ("gzip, *;q=0, identity", false),
            ("*", false),
            ("identity;q=0.001", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(Accepted::of(&headers).refuses_identity, refuses, "{value}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let mut headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0.2"))]);
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("deflate"));
        assert_eq!(Accepted::of(&headers).coding, Some(Coding::Deflate));
    }
}
