//! Header blocks out.

use http::{HeaderName, HeaderValue, StatusCode};

use super::{integer, static_table};

/// Literal that is not kept in a table (RFC 7541 section 6.2.2), and one that nobody may keep (6.2.3).
const LITERAL: u8 = 0x00;
const SECRET: u8 = 0x10;

/// Appends `:status`, which comes first.
pub fn status(out: &mut Vec<u8>, status: StatusCode) {
    let index = match status.as_u16() {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            out.push(LITERAL | 8);
            text(out, status.as_str().as_bytes());
            return;
        }
    };
    out.push(0x80 | index);
}

/// Appends a field.
pub fn field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let pattern = if value.is_sensitive() { SECRET } else { LITERAL };
    bytes(out, pattern, name, value.as_bytes());
}

/// Appends a field whose value is known to be one.
pub fn plain(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    bytes(out, LITERAL, name, value);
}

fn bytes(out: &mut Vec<u8>, pattern: u8, name: &HeaderName, value: &[u8]) {
    match static_table::index(name) {
        Some(index) => integer::write(out, pattern, 4, index),
        None => {
            out.push(pattern);
            text(out, name.as_str().as_bytes());
        }
    }
    text(out, value);
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    match u8::try_from(text.len()) {
        // Almost every length fits its first byte.
        Ok(length @ ..0x7f) => out.push(length),
        _ => integer::write(out, 0, 7, text.len()),
    }
    out.extend_from_slice(text);
}

/// Appends a field whose value is a number.
pub fn number(out: &mut Vec<u8>, name: &HeaderName, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    plain(out, name, &digits[at..]);
}

#[cfg(test)]
mod tests {
    use http::header;
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::connection::http2::hpack::{Decoder, field::Name};

    /// Every field of a block, as text.
    fn read(block: &[u8]) -> Vec<(String, Vec<u8>, bool)> {
        let mut fields = Vec::new();
        let outcome = Decoder::default().block(block, |seen| {
            let name = match seen.name {
                Name::Field(name) => name.to_string(),
                other => format!("{other:?}"),
            };
            fields.push((name, seen.bytes().expect("a value").to_vec(), seen.secret));
        });
        assert_eq!(outcome, Ok(()));
        fields
    }

    #[test]
    fn every_status_is_one_byte_or_a_literal() {
        for code in 100..600 {
            let mut out = Vec::new();
            status(&mut out, StatusCode::from_u16(code).expect("a status"));
            assert_eq!(out.len(), if matches!(code, 200 | 204 | 206 | 304 | 400 | 404 | 500) { 1 } else { 5 });
            assert_eq!(read(&out), [("Status".to_owned(), code.to_string().into_bytes(), false)]);
        }
    }

    #[test]
    fn numbers_are_written_in_digits() {
        for value in [0, 7, 10, 1_048_576, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, &header::CONTENT_LENGTH, value);
            assert_eq!(read(&out), [("content-length".to_owned(), value.to_string().into_bytes(), false)]);
        }
    }

    #[test]
    fn what_nobody_may_keep_says_so() {
        let mut value = HeaderValue::from_static("x");
        value.set_sensitive(true);
        let mut out = Vec::new();
        field(&mut out, &header::AUTHORIZATION, &value);
        assert_eq!(out, [0x1f, 8, 1, b'x']);
        assert!(read(&out)[0].2);
    }

    proptest! {
        #[test]
        fn fields_read_as_they_were_written(
            fields in prop::collection::vec(("[a-z-]{1,12}|vary|via|date|content-type|retry-after", "[ -~]{0,300}"), 0..20)
        ) {
            let mut out = Vec::new();
            for (name, value) in &fields {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                field(&mut out, &name, &HeaderValue::from_str(value).expect("a value"));
            }
            let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, value.into_bytes(), false)).collect();
            prop_assert_eq!(read(&out), fields);
        }
    }
}
