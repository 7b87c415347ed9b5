//! `traceparent`, read and written (W3C Trace Context, section 3.2).

use http::{HeaderMap, HeaderName};

/// `traceparent`.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`.
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Which trace an exchange belongs to, and which span its caller is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// Never 0.
    pub(super) trace: u128,
    /// Never 0.
    pub(super) span: u64,
    /// Whether the trace is recorded.
    pub(super) sampled: bool,
}

/// What a caller says about traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// Nothing.
    None,
    /// Nothing that can be understood; the trace begins anew.
    Broken,
    /// The caller's span.
    Of(Context),
}

impl Parent {
    pub(super) fn of(fields: &HeaderMap) -> Self {
        let mut lines = fields.get_all(TRACEPARENT).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Self::None,
            (Some(line), None) => Context::read(line.as_bytes()).map_or(Self::Broken, Self::Of),
            (Some(_), Some(_)) => Self::Broken,
        }
    }
}

impl Context {
    /// Reads `00-{trace}-{span}-{flags}`; later versions may have more behind it.
    fn read(text: &[u8]) -> Option<Self> {
        let (version, rest) = text.split_at_checked(2)?;
        let version = hexadecimal(version)?;
        let rest = rest.strip_prefix(b"-")?;
        let (trace, rest) = rest.split_at_checked(32)?;
        let (span, rest) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
        let (flags, rest) = rest.strip_prefix(b"-")?.split_at_checked(2)?;
        let complete = rest.is_empty() || (version > 0 && rest[0] == b'-');
        let (trace, span, flags) = (hexadecimal(trace)?, hexadecimal(span)?, hexadecimal(flags)?);
        let valid = version != 0xff && complete && trace != 0 && span != 0;
        valid.then_some(Self { trace, span: span as u64, sampled: flags & 1 != 0 })
    }

    /// The line of a request on behalf of `span`.
    pub(super) fn line(&self, span: u64) -> String {
        format!("traceparent: 00-{:032x}-{span:016x}-{:02x}\r\n", self.trace, u8::from(self.sampled))
    }
}

/// Lower-case digits only (section 3.2.2).
fn hexadecimal(text: &[u8]) -> Option<u128> {
    let lower = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    std::str::from_utf8(text).ok().filter(|_| lower).and_then(|text| u128::from_str_radix(text, 16).ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(lines: &[&str]) -> Parent {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(TRACEPARENT, HeaderValue::from_str(line).expect("a value"));
        }
        Parent::of(&fields)
    }

    #[test]
    fn a_callers_span_is_read_as_the_standard_writes_it() {
        let context =
            Context { trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, span: 0xb7ad_6b71_6920_3331, sampled: true };
        assert_eq!(read(&[GOOD]), Parent::Of(context));
        assert_eq!(context.line(context.span), format!("traceparent: {GOOD}\r\n"));
        assert_eq!(read(&[&GOOD.replace("-01", "-02")]), Parent::Of(Context { sampled: false, ..context }));
        assert_eq!(read(&[&GOOD.replace("00-", "cc-")]), Parent::Of(context));
        assert_eq!(read(&[&format!("{}-what-comes", GOOD.replace("00-", "cc-"))]), Parent::Of(context));
        assert_eq!(read(&[]), Parent::None);
    }

    #[test]
    fn what_is_no_parent_begins_a_trace_anew() {
        for text in [
            "",
            "00",
            &GOOD.replace("00-", "ff-"),
            &GOOD.to_uppercase(),
            &format!("{GOOD}-more"),
            &format!("{GOOD}0"),
            &GOOD[..54],
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            &GOOD.replace('-', "_"),
        ] {
            assert_eq!(read(&[text]), Parent::Broken, "{text}");
        }
        assert_eq!(read(&[GOOD, GOOD]), Parent::Broken);
    }
}
