//! JSON as a plain tree: order, repeated names and every spelling are kept.

/// A value. Scalars and names are the text they were read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    Scalar(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a valid text.
    pub fn read(text: &str) -> Self {
        let mut rest = text;
        value(&mut rest)
    }

    /// Writes it without whitespace.
    pub fn write(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(items) => format!("[{}]", items.iter().map(Self::write).collect::<Vec<_>>().join(",")),
            Self::Object(members) => {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{}", value.write())).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    pub fn null() -> Self {
        Self::Scalar("null".to_owned())
    }

    pub fn is_null(&self) -> bool {
        *self == Self::null()
    }

    /// The text of a scalar.
    pub fn scalar(&self) -> Option<&str> {
        if let Self::Scalar(text) = self { Some(text) } else { None }
    }

    /// The raw text between the quotes of a string.
    pub fn string(&self) -> Option<&str> {
        self.scalar()?.strip_prefix('"')?.strip_suffix('"')
    }
}

/// What a raw string (without quotes) says, in UTF-16, where halves of pairs can stand alone.
pub fn said(raw: &str) -> Vec<u16> {
    characters(raw).into_iter().flat_map(|(said, _)| said).collect()
}

/// The characters of a raw string: what each says, and how it is written.
pub fn characters(raw: &str) -> Vec<(Vec<u16>, &str)> {
    let mut all = Vec::new();
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        let size = match (first, rest[first.len_utf8()..].chars().next()) {
            ('\\', Some('u')) => 6,
            ('\\', _) => 2,
            _ => first.len_utf8(),
        };
        let (one, after) = rest.split_at(size);
        let said = match one.as_bytes() {
            [b'\\', b'u', ..] => vec![u16::from_str_radix(&one[2..], 16).expect("four digits")],
            [b'\\', escape] => vec![u16::from(match escape {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                other => *other,
            })],
            _ => first.encode_utf16(&mut [0; 2]).to_vec(),
        };
        all.push((said, one));
        rest = after;
    }
    all
}

/// Whether a raw name, quotes included, says `name`.
pub fn is(raw: &str, name: &str) -> bool {
    said(&raw[1..raw.len() - 1]) == name.encode_utf16().collect::<Vec<_>>()
}

/// A name or string as JSON text.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text")
}

fn space(rest: &mut &str) {
    *rest = rest.trim_start_matches([' ', '\n', '\t', '\r']);
}

fn expect(rest: &mut &str, sign: char) -> bool {
    space(rest);
    match rest.strip_prefix(sign) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn value(rest: &mut &str) -> Json {
    if expect(rest, '{') {
        let mut members = Vec::new();
        while !expect(rest, '}') {
            space(rest);
            let name = string(rest);
            assert!(expect(rest, ':'));
            members.push((name, value(rest)));
            expect(rest, ',');
        }
        return Json::Object(members);
    }
    if expect(rest, '[') {
        let mut items = Vec::new();
        while !expect(rest, ']') {
            items.push(value(rest));
            expect(rest, ',');
        }
        return Json::Array(items);
    }
    if rest.starts_with('"') {
        return Json::Scalar(string(rest));
    }
    let end = rest.find([',', ']', '}', ' ', '\n', '\t', '\r']).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    Json::Scalar(word.to_owned())
}

fn string(rest: &mut &str) -> String {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    let (text, after) = rest.split_at(end.expect("a last quote").0 + 1);
    *rest = after;
    text.to_owned()
}
