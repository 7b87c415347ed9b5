//! A field as compression knows it: also where no message may have it.

use http::{HeaderName, HeaderValue};

use crate::headers::spelling;

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// `:method`
    Method,
    /// `:scheme`
    Scheme,
    /// `:authority`
    Authority,
    /// `:path`
    Path,
    /// `:status`
    Status,
    /// `:protocol` (RFC 8441 section 4)
    Protocol,
    /// Any other that may stand in a message.
    Field(HeaderName),
    /// One that may not, by its length: upper case, no token, another pseudo-field (RFC 9113 section 8.2.1).
    Malformed(usize),
}

impl Name {
    /// What a literal stands for.
    pub fn read(text: &[u8]) -> Self {
        match text {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":status" => Self::Status,
            b":protocol" => Self::Protocol,
            _ if text.iter().any(u8::is_ascii_uppercase) => Self::Malformed(text.len()),
            _ => spelling::name(text).map_or(Self::Malformed(text.len()), Self::Field),
        }
    }

    /// Bytes of the name.
    pub fn length(&self) -> usize {
        match self {
            Self::Path => 5,
            Self::Method | Self::Scheme | Self::Status => 7,
            Self::Protocol => 9,
            Self::Authority => 10,
            Self::Field(name) => name.as_str().len(),
            Self::Malformed(length) => *length,
        }
    }
}

/// What every field counts beyond its bytes (RFC 7541 section 4.1, RFC 9113 section 6.5.2).
pub const OVERHEAD: usize = 32;

/// A field of a table.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// None where no message may have it.
    pub value: Option<HeaderValue>,
    /// What it counts in its table, and in the list of a message.
    pub size: usize,
}

/// The value of a field that was read.
#[derive(Clone, Copy, Debug)]
pub enum Value<'v> {
    /// In a table, to be shared; none where no message may have it.
    Kept(Option<&'v HeaderValue>),
    /// Bytes of a literal.
    Literal(&'v [u8]),
}

/// A field that was read.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'v> {
    /// Its name.
    pub name: &'v Name,
    /// Its value.
    pub value: Value<'v>,
    /// What it counts in the list of a message.
    pub size: usize,
    /// Whether nobody may keep it in a table (RFC 7541 section 6.2.3).
    pub secret: bool,
}

impl Seen<'_> {
    /// The value as fields carry it; none where they may not.
    pub fn field_value(&self) -> Option<HeaderValue> {
        match self.value {
            Value::Kept(value) => value.cloned(),
            Value::Literal(bytes) => {
                let mut value = HeaderValue::from_bytes(bytes).ok()?;
                value.set_sensitive(self.secret);
                Some(value)
            }
        }
    }

    /// The bytes of the value; none where no message may have it.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self.value {
            Value::Kept(value) => value.map(HeaderValue::as_bytes),
            Value::Literal(bytes) => Some(bytes),
        }
    }
}
